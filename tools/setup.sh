#!/bin/sh
# Makes a fresh clone ready to run: Debian packages, npm packages with Node 24, a Pulumi engine.
# `npm start` and `npm test` run it every time; with all in place it takes a fraction of a second and calls neither npm nor apt.
set -eu

engine_version=3.259.0
# Newer than Debian 12's Go: the first one that fetches the toolchain which go.mod asks for.
go_minor_needed=21

say() { printf 'setup: %s\n' "$1" >&2; }

# fail <what is wrong> <what to do>
fail() {
  printf 'setup: %s\n       %s\n' "$1" "$2" >&2
  exit 1
}

# A program on PATH, or a file.
have() {
  case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

# npm puts node_modules/.bin first: our own node is then deleted while `npm ci` runs on it, and `pulumi` is the npm wrapper.
own_path() {
  PATH=$(printf %s "$PATH" | tr : '\n' | grep -v '/node_modules/\.bin$' | tr '\n' :)/usr/sbin:/sbin
}

# --- Debian packages --------------------------------------------------------------------------------------------

# Each line: a program, and the package that has it; of a Python module, dpkg's note that it is installed.
programs() {
  echo borg borgbackup
  echo ssh openssh-client
  case ${npm_lifecycle_event:-} in
    start | sandbox | test) # sandbox hosts
      echo ip iproute2
      echo mmdebstrap mmdebstrap
      echo systemd-nspawn systemd-container
      ;;
  esac
  case ${npm_lifecycle_event:-} in
    test)
      echo chromium chromium # the report is looked at in a browser
      echo fusermount3 fuse3 # `borgpull mount`
      echo /var/lib/dpkg/info/python3-pyfuse3.list python3-pyfuse3
      ;;
  esac
  engine_ready || have wget || echo curl curl # the official download of Pulumi uses one of the two
}

missing_packages() {
  programs | while read -r program package; do
    have "$program" || printf '%s ' "$package"
  done
}

debian_packages() {
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  have apt-get || fail "these are missing: $missing" "They are packages of Debian, and this is no Debian: run it on Debian 12 or later."
  [ "$(id -u)" = 0 ] ||
    fail "these Debian packages are missing: $missing" "Run: sudo apt-get update && sudo apt-get install --no-install-recommends $missing"
  say "installing Debian packages: $missing"
  log=$(mktemp)
  # An unrelated source that cannot be reached is no reason to stop: the installation tells.
  apt-get update -qq </dev/null >"$log" 2>&1 || true
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
    $missing </dev/null >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: $missing" "Mend what it says above, then run this again."
  }
  rm -f "$log"
}

# --- npm packages, Node 24 among them ---------------------------------------------------------------------------

# npm ci leaves no mark of its own that survives being interrupted.
stamp=node_modules/.package-lock.installed

npm_packages() {
  if ! cmp -s package-lock.json "$stamp"; then
    have npm || fail "npm is missing." "Install Node.js 18 or later with npm: apt-get install nodejs npm"
    say "installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error </dev/null >&2 ||
      fail "npm ci failed." "Mend what it says above (is the npm registry reachable?), then run this again."
    node24_runs || npm rebuild node --ignore-scripts=false --loglevel=error </dev/null >&2 || true
    cp package-lock.json "$stamp"
  fi
  node24_runs ||
    fail "node_modules/.bin/node is not a Node 24 that runs here." "Remove node_modules and run this again; npm must be allowed to run the install script of the package \"node\"."
}

node24_runs() {
  case $(node_modules/.bin/node --version 2>/dev/null) in v24.*) ;; *) false ;; esac
}

# --- Pulumi engine ----------------------------------------------------------------------------------------------

# Where npm's `pulumi` and the Automation API look for it.
versions=${PULUMI_HOME:-$HOME/.pulumi}/versions
installed=$versions/$engine_version
# A link to the folder with the engine that this checkout uses.
engine=node_modules/.engine

engine_ready() { whole_engine "$engine"; }

# An engine without the language host beside it runs no program.
whole_engine() { [ -x "$1/pulumi" ] && [ -x "$1/pulumi-language-nodejs" ]; }

pulumi_engine() {
  engine_ready && return
  on_path=$(engine_on_path)
  if [ -n "$on_path" ]; then
    use_engine "$on_path"
  else
    whole_engine "$installed/bin" || download_engine || build_engine
    use_engine "$installed/bin"
  fi
}

use_engine() { ln -sfn "$1" "$engine"; }

# The folder of the `pulumi` on PATH, if it is this version or a later one of the same major.
engine_on_path() {
  have pulumi || return 0
  found=$(command -v pulumi)
  folder=$(dirname "$(readlink -f "$found")")
  whole_engine "$folder" || return 0
  version=$(timeout 20 "$found" version 2>/dev/null </dev/null) || return 0
  at_least "${version#v}" && printf %s "$folder"
  return 0
}

# at_least 3.260.1
at_least() {
  [ "${1%%.*}" = "${engine_version%%.*}" ] &&
    [ "$(printf '%s\n%s\n' "$engine_version" "$1" | sort -V | head -n 1)" = "$engine_version" ]
}

# put_in_place <finished folder>: whole or not at all, also when two do it at once.
put_in_place() {
  if ! whole_engine "$installed/bin"; then rm -rf "$installed"; fi
  mv -T "$1" "$installed" 2>/dev/null || whole_engine "$installed/bin"
}

download_engine() {
  say "downloading Pulumi $engine_version"
  mkdir -p "$versions"
  unfinished=$(mktemp -d "$versions/.download.XXXXXX")
  trap 'rm -rf "$unfinished"' EXIT
  if PULUMI_HOME=$unfinished timeout 600 node_modules/.bin/node node_modules/pulumi/run.js version </dev/null >/dev/null 2>&1 &&
    whole_engine "$unfinished/versions/$engine_version/bin"; then
    put_in_place "$unfinished/versions/$engine_version" ||
      fail "$installed cannot be written." "Make it writable, then run this again."
    rm -rf "$unfinished"
  else
    rm -rf "$unfinished"
    say "no official Pulumi can be downloaded from here"
    return 1
  fi
}

build_engine() {
  go_version=$(go_version)
  [ -n "$go_version" ] && [ "$(minor "$go_version")" -ge "$go_minor_needed" ] ||
    fail "to build Pulumi takes Go 1.$go_minor_needed or later; found: ${go_version:-none}." \
      "Install a current Go (go.dev/dl; on Debian 12 also golang from bookworm-backports), or put a pulumi $engine_version or later on PATH; then run this again."
  say "building Pulumi $engine_version with Go $go_version: once, about five minutes on two cores"
  mkdir -p "$versions"
  unfinished=$(mktemp -d "$versions/.build.XXXXXX")
  trap 'rm -rf "$unfinished"' EXIT
  chmod 755 "$unfinished"
  # Without the version the Automation API cannot tell what it talks to.
  build tools/engine "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$engine_version"
  build tools/language-host ""
  mv "$unfinished/bin/pulumi-language-nodejs" "$unfinished/bin/pulumi-language-nodejs-built"
  cp tools/language-host/pulumi-language-nodejs "$unfinished/bin/"
  whole_engine "$unfinished/bin" || fail "the build of Pulumi left no engine." "Look at tools/engine/go.mod: it names what is built."
  put_in_place "$unfinished" || fail "$installed cannot be written." "Make it writable, then run this again."
  trap - EXIT
}

# build <module folder> <more linker flags>
build() {
  (
    cd "$1"
    CGO_ENABLED=0 GOTOOLCHAIN=${GOTOOLCHAIN:-auto} GOBIN=$unfinished/bin timeout 3600 \
      go install -trimpath -tags osusergo,grpcnotrace -ldflags "-s -w $2" tool </dev/null >&2
  ) || fail "go could not build $1." "Mend what it says above (is a Go module proxy reachable?), then run this again."
}

# Such as 1.26.8, or nothing.
go_version() { have go && go version | sed -n 's/^go version go\([0-9.]*\).*/\1/p' || true; }

minor() { printf %s "$1" | cut -d . -f 2; }

trap 'exit 130' HUP INT TERM # so that what EXIT cleans up is cleaned up
cd "$(dirname "$0")/.."
own_path
debian_packages
npm_packages
pulumi_engine
