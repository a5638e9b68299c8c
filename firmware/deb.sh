#!/bin/sh
# Builds the packages smgw, smgw-emp and smgw-pki (<name>_<version>_all.deb), and looks at them with lintian: `make deb`. Needs debhelper, dh-python, gettext and lintian.
#   firmware/deb.sh OUTPUT-DIRECTORY [VERSION]
# The version is the one of pyproject.toml unless another is given. The same tree gives the same package, octet for octet.
set -eu

cd "$(dirname "$0")/.."
output=$1
version=${2:-$(sed -n 's/^version = "\(.*\)"$/\1/p' firmware/pyproject.toml)}

missing=
for package in debhelper dh-python gettext lintian dpkg-dev; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "make deb: these Debian packages are needed: sudo apt-get install$missing" >&2
    exit 1
fi

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/smgw-$version
mkdir "$tree"
cp -r firmware/smgw firmware/debian simulator-host/emp simulator-host/pki simulator-host/gwa systemd config README.md ARCHITECTURE.md CHANGELOG.md SECURITY.md "$tree"
# The pages that read well as files. `make docs` makes the others.
mkdir "$tree/docs"
cp -r docs/img "$tree/docs"
for page in docs/*.md; do
    grep -qE '^(\{\{ |--8<-- "[^:]*"$)' "$page" ||
        sed 's|^--8<-- "README.md:steps"$|The ten steps are in [README.md](../README.md).|' "$page" >"$tree/$page"
done
mkdir -p "$tree/hw/wiring"
cp hw/README.md "$tree/hw"
cp -r hw/boards "$tree/hw"
cp hw/wiring/netlist.toml hw/wiring/*.svg "$tree/hw/wiring"
# What the version says is in the program too.
sed -i "s/^__version__ = .*/__version__ = \"$version\"/" "$tree/smgw/__init__.py" "$tree/emp/__init__.py" "$tree/pki/__init__.py" "$tree/gwa/__init__.py"
cat >"$tree/debian/changelog" <<END
smgw ($version) unstable; urgency=medium

  * What changed is in CHANGELOG.md.

 -- The smgw authors <smgw@home.arpa>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
# Before this moment no time is believed.
sed -i "s/^BUILT_S = .*/BUILT_S = $SOURCE_DATE_EPOCH/" "$tree/smgw/__init__.py"
chmod -R u=rwX,go=rX "$tree"
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1) || {
    cat "$work/log" >&2
    exit 1
}
mkdir -p "$output"
for package in "$work"/*.deb; do
    lintian --allow-root --fail-on error "$package"
    cp "$package" "$output"
    echo "$output/$(basename "$package")"
done
python3 firmware/sbom.py "$output" "$version"
