#!/bin/sh
# Makes a signed apt repository of our packages, which a web server or a USB stick serves: `make repo`. Needs apt-utils and gnupg.
#   firmware/repo.sh REPOSITORY [VERSION]
# Builds the packages of this tree, adds them to those that the repository has, and writes its index anew.
# The key is made at the first time, in ${SMGW_SIGNING:-${XDG_CONFIG_HOME:-~/.config}/smgw-signing}/gnupg: back it up.
# SMGW_REPO_KEY=ID uses a key of your own keyring.
set -eu

here=$(dirname "$0")
repository=$1
shift

missing=
for package in apt-utils gnupg; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "make repo: these Debian packages are needed: sudo apt-get install$missing" >&2
    exit 1
fi

key=${SMGW_REPO_KEY-}
if [ -z "$key" ]; then
    key="smgw packages"
    GNUPGHOME=${SMGW_SIGNING:-${XDG_CONFIG_HOME:-$HOME/.config}/smgw-signing}/gnupg
    export GNUPGHOME
    if [ ! -d "$GNUPGHOME" ]; then
        (umask 077 && mkdir -p "$GNUPGHOME")
        gpg --batch --quiet --passphrase '' --quick-generate-key "$key" ed25519 sign never
        echo "made a key in $GNUPGHOME: back it up; every gateway that uses this repository knows it"
    fi
fi

mkdir -p "$repository/pool"
"$here/deb.sh" "$repository/pool" "$@"
rm -f "$repository"/pool/*.cdx.json
cd "$repository"
gpg --batch --quiet --export "$key" >smgw-archive-keyring.gpg.new
[ -s smgw-archive-keyring.gpg.new ] || {
    echo "make repo: there is no key '$key' in ${GNUPGHOME:-your keyring}" >&2
    exit 1
}

# apt reads the index of its own architecture; our packages suit all of them. A new index gets its place when it is whole.
rm -rf dists.new
for architecture in amd64 arm64 armhf; do
    folder=dists.new/stable/main/binary-$architecture
    mkdir -p "$folder"
    apt-ftparchive packages pool >"$folder/Packages"
    gzip -9n <"$folder/Packages" >"$folder/Packages.gz"
done
apt-ftparchive -o APT::FTPArchive::Release::Origin=smgw -o APT::FTPArchive::Release::Label=smgw \
    -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
    -o APT::FTPArchive::Release::Architectures="amd64 arm64 armhf" -o APT::FTPArchive::Release::Components=main \
    release dists.new/stable >Release.new
mv Release.new dists.new/stable/Release
gpg --batch --quiet --yes --local-user "$key" --clearsign --output dists.new/stable/InRelease dists.new/stable/Release
gpg --batch --quiet --yes --local-user "$key" --armor --detach-sign --output dists.new/stable/Release.gpg dists.new/stable/Release
mv smgw-archive-keyring.gpg.new smgw-archive-keyring.gpg
rm -rf dists.old
[ ! -d dists ] || mv dists dists.old
mv dists.new dists
rm -rf dists.old

cat >README.txt <<'END'
A repository of the packages smgw, smgw-emp and smgw-pki. On a gateway, as root:

1. Copy the key:     cp smgw-archive-keyring.gpg /usr/share/keyrings/
   Compare it with what the builder says: gpg --show-keys /usr/share/keyrings/smgw-archive-keyring.gpg
2. Name the source, in /etc/apt/sources.list.d/smgw.sources. A folder is file:/media/stick/repo, a web server http://...

   Types: deb
   URIs: file:/media/stick/repo
   Suites: stable
   Components: main
   Signed-By: /usr/share/keyrings/smgw-archive-keyring.gpg

3. Update:           apt-get update && apt-get install smgw
4. By itself, every day (not on an image with two slots): apt-get install unattended-upgrades
                     cp /usr/share/smgw/unattended-upgrades.conf /etc/apt/apt.conf.d/52smgw
END
echo "$repository: $(gpg --batch --with-colons --show-keys smgw-archive-keyring.gpg | sed -n 's/^fpr:*\([0-9A-F]*\):$/key \1/p' | head -1)"
