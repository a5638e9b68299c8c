#!/bin/sh
# Installs missing Debian packages that some tests need, if root runs it. On a terminal it asks first, because a browser
# and Java are among them. Other users get a line that names the packages. Tests whose package is missing are skipped
# and say so, so this never fails.
set -u

packages="libfaketime chromium fonts-dejavu-core"
# Wireshark's SML dissector, a second reader of what smsim sends.
packages="$packages tshark"
# For jSML and jDLMS, readers and clients in Java; Maven fetches them when the tests run.
packages="$packages openjdk-17-jdk-headless maven"
# Calls below SQLite are noted, or made to fail, by small libraries in C.
packages="$packages gcc libc6-dev"
# A second maker of TLS and CMS.
packages="$packages openssl"
# A client of HTTP with digest and certificates.
packages="$packages curl"
# What the device has: the unit tests of the firmware run against these versions too.
packages="$packages python3-serial python3-lxml python3-urllib3 python3-ntplib python3-cryptography python3-pytest"
packages="$packages python3-pytest-xdist python3-hypothesis python3-tornado python3-paho-mqtt"
# A broker that nobody here wrote.
packages="$packages mosquitto mosquitto-clients"
# A security module in software, and what speaks to it.
packages="$packages softhsm2 python3-pykcs11"
# The Debian package, and machines to install it in (make test-systemd).
packages="$packages debhelper dh-python gettext lintian mmdebstrap systemd-container"
# The SD-card image, and emulated boards that boot it (make image, make test-image, make test-pi3).
packages="$packages qemu-user-static binfmt-support e2fsprogs mtools fdisk cpio zstd kmod u-boot-tools u-boot-qemu"
packages="$packages qemu-system-arm qemu-utils ipxe-qemu openssh-client device-tree-compiler rauc"
# Bundles of updates and the service that installs them; the signed apt repository (make bundle, make repo).
packages="$packages rauc squashfs-tools dbus-daemon apt-utils gnupg"

missing() {
    for package in $packages; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf ' %s' "$package"
    done
}

# No removal: this may be somebody's own machine. Tests unpack chrony, which would replace another time daemon.
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove "$@" >/dev/null 2>&1
}

command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 || {
    echo "tests: no Debian system; tests that need one of these packages are skipped: $packages"
    exit 0
}
wanted=$(missing)
[ -n "$wanted" ] || exit 0
# Nobody answers where there is no terminal, as in CI: there the packages are installed.
agreed() {
    [ -t 0 ] && [ -t 1 ] || return 0
    printf 'tests: these Debian packages are missing:%s\n' "$wanted"
    printf 'Install them now? The browser and Java take most of the space. Without them tests are skipped. [y/N] '
    read -r answer || return 1
    case $answer in [yYjJ]*) return 0 ;; *) return 1 ;; esac
}

if [ "$(id -u)" -eq 0 ] && agreed; then
    echo "tests: installing Debian packages:$wanted"
    # Lists that are missing or old make the first try fail.
    # shellcheck disable=SC2086  # a list of words
    install $wanted || {
        apt-get update -qq >/dev/null 2>&1
        install $wanted || for package in $wanted; do install "$package"; done
    }
    wanted=$(missing)
    [ -n "$wanted" ] || exit 0
fi
echo "tests: MISSING Debian packages, tests that need them are skipped; to have them: sudo apt-get install$wanted"
exit 0
