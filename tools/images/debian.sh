# Sourced: root folders from Debian's packages, for any architecture, without being root and without changing this machine.
debian_suite=trixie
debian_cache=${XDG_CACHE_HOME:-$HOME/.cache}/kuik/debian-$debian_suite

# debian_apt ARCHITECTURE apt-get's arguments…: apt-get with a package index of its own, in which nothing is installed.
debian_apt() {
  local state=$debian_cache/$1 architecture=$1; shift
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  : >"$state/status"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" $debian_suite >"$state/sources.list"
  apt-get -qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state" -o Dir::Cache::archives="$state/archives" -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
}

debian_update() { [ -n "$(find "$debian_cache/$1/lists" -name '*_Packages*' -mmin -1440 2>/dev/null)" ] || debian_apt "$1" update; }

# debian_folder FOLDER: an empty root folder whose /bin, /lib and /sbin are in /usr.
debian_folder() {
  rm -rf "$1"
  mkdir -p "$1"/usr/{bin,sbin,lib,lib64} "$1"/{etc,tmp,var/tmp,run,proc,sys,dev}
  local link
  for link in bin sbin lib lib64; do ln -s usr/$link "$1/$link"; done
  ln -s ../run "$1/var/run"
  chmod 755 "$1"            # of mode 700, nothing in it is found by another user than root
  chmod 1777 "$1/tmp" "$1/var/tmp"
}

# debian_unpack FOLDER DEB…
debian_unpack() {
  local folder=$1 deb; shift
  for deb in "$@"; do dpkg-deb --fsys-tarfile "$deb" | tar -C "$folder" --keep-directory-symlink --no-same-owner -xpf -; done
  rm -rf "$folder"/usr/share/{doc,man,info,locale,lintian,bug}
}

# debian_packages FOLDER ARCHITECTURE PACKAGE…: these packages alone, what they depend on left out.
debian_packages() {
  local folder=$1 architecture=$2 downloads; shift 2
  downloads=$(mktemp -d)
  debian_update "$architecture"
  (cd "$downloads" && debian_apt "$architecture" download "$@")
  debian_unpack "$folder" "$downloads"/*.deb
  rm -rf "$downloads"
}

# debian_closure FOLDER ARCHITECTURE PACKAGE…: these packages and all that they depend on.
debian_closure() {
  local folder=$1 architecture=$2 names; shift 2
  debian_update "$architecture"
  debian_apt "$architecture" install --no-install-recommends --download-only --yes "$@" >/dev/null
  # "Inst dash (0.5.12-12 Debian:13.1/stable [amd64])" -> dash_0.5.12-12_amd64.deb
  names=$(debian_apt "$architecture" install --no-install-recommends --simulate "$@" |
    sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*\[([^]]+)\].*$/\1 \2 \3/p' | sed 's/:/%3a/g' | awk '{ print $1 "_" $2 "_" $3 ".deb" }')
  local name archives=()
  for name in $names; do archives+=("$debian_cache/$architecture/archives/$name"); done
  debian_unpack "$folder" "${archives[@]:?no packages}"
}

# debian_certificates FOLDER: the bundle that a package's script would write.
debian_certificates() {
  mkdir -p "$1/etc/ssl/certs"
  find "$1/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$1/etc/ssl/certs/ca-certificates.crt"
}
