# What is so on this machine: one function a fact, run as root, reading only. A fact prints for its parser in remote/facts/.
LC_ALL=C; TZ=UTC; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL TZ PATH

# file PATH: its kind, and for a regular file mode, user, group and content. What others can exchange at any time is not taken for a file
# of ours (in a sticky folder they cannot).
fact_file() {
    if [ -L "$1" ]; then echo "symlink $(readlink -- "$1")"
    elif [ ! -e "$1" ]; then echo absent
    elif [ -n "$(find "$(dirname -- "$1")" -maxdepth 0 '(' -perm /022 ! -perm -1000 -o ! -uid 0 ! -uid "$(id -u)" ')')" ]; then
        echo "other file in a folder that others can write"
    elif [ -f "$1" ]; then stat -c 'file 0%a %U %G' -- "$1"; head -c 1048576 -- "$1"
    else stat -c 'other %F' -- "$1"
    fi
}

# folder PATH
fact_folder() {
    if [ -L "$1" ]; then echo symlink
    elif [ -d "$1" ]; then stat -c 'folder 0%a %U %G' -- "$1"
    elif [ -e "$1" ]; then echo other
    else echo absent
    fi
}

# user NAME: passwd line, password and day of expiry, groups
fact_user() {
    getent passwd "$1" || { echo absent; return 0; }
    getent shadow "$1" | cut -d: -f2,8
    id -Gn "$1"
}

# sshd USER PATH: what is in force for that user, then what PATH alone would put in force, then whether sshd has loaded its files
fact_sshd() {
    mkdir -p /run/sshd # without it sshd -T fails where sshd is socket-activated
    seen="user=$1,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
    settings=$(sshd -T -C "$seen" 2>&1) || settings="failed: $settings"
    echo "$settings"
    echo "== alone"
    key=$(echo "$settings" | awk '$1 == "hostkey" { print $2 }' | while read -r key; do [ ! -f "$key" ] || { echo "$key"; break; }; done)
    if [ -f "$2" ]; then sshd -T -f "$2" -h "$key" -C "$seen" 2>&1; fi
    echo "== loaded"
    # A change that nobody has proved is undone in a moment: it counts for nothing.
    room=/run/borgpull-sshd-restore-$(basename -- "$2" .conf)
    if [ -d "$room" ] || [ -d "$room.restoring" ]; then echo pending; else sshd_loaded; fi
}

# Whether the running sshd read its configuration after it was last changed: systemd notes the time of a start or reload.
sshd_loaded() {
    changed=$(find /etc/ssh/sshd_config /etc/ssh/sshd_config.d -printf '%C@\n' 2>/dev/null | sort -n | tail -n 1)
    unit=ssh.service
    [ "$(systemctl show -p LoadState --value "$unit")" = loaded ] || unit=sshd.service
    if [ "$(systemctl is-active "$unit")" != active ]; then echo yes; return 0; fi # socket-activated: read at each connection
    case $(systemctl show -p ReloadResult --value "$unit") in success|'') ;; *) echo no; return 0 ;; esac
    since=$(systemctl show --timestamp=us -p StateChangeTimestamp --value "$unit")
    loaded=$(date -d "$since" +%s.%N)
    if awk "BEGIN { exit !($loaded + 0 >= $changed + 0) }"; then echo yes; else echo no; fi
}

# key BLOB: every place that holds this public key, as file:line:text
fact_key() {
    { getent passwd | cut -d: -f6 | sort -u | while read -r home; do
        for file in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2; do [ -f "$file" ] && printf '%s\n' "$file"; done
      done
      find /etc/ssh -type f ! -name '.borgpull.*' 2>/dev/null
    } | sort -u | while read -r file; do grep -nHF -- "$1" "$file" 2>/dev/null; done
    true
}

# unit MANAGER NAME: enabled, active, and whether systemd has loaded what is on disk
fact_unit() {
    command -v systemctl >/dev/null || { echo none; return 0; }
    scope=--system; [ "$1" != user ] || scope=--user
    : "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"; export XDG_RUNTIME_DIR # unset after su, and in a job of cron
    echo "$(systemctl $scope is-enabled "$2" 2>/dev/null || true)"
    echo "$(systemctl $scope is-active "$2" 2>/dev/null || true)"
    systemctl $scope show -p NeedDaemonReload --value "$2" 2>/dev/null || echo none
}

# The version of the borg that the helper would run; one that others than root could have put there is not even asked.
borg_version() {
    borg=$(PATH=/usr/local/sbin:/usr/local/bin:$PATH command -v borg) || return 0
    real=$(readlink -f "$borg")
    for at in "$real" "${real%/*}" "$(readlink -f "${borg%/*}")"; do
        [ -n "$(find "$at" -maxdepth 0 -user root ! -perm /022)" ] || { echo "at $at, which others than root can write,"; return 0; }
    done
    "$borg" --version 2>/dev/null | cut -d' ' -f2
}

# capabilities: what the machine has of what a pull needs, one key=value a line
fact_capabilities() {
    echo "os=$(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME-unknown}")"
    echo "openssh=$(sshd -V 2>&1 | grep -o 'OpenSSH_[0-9.]*' | head -n 1 | cut -d_ -f2)"
    echo "systemd=$(systemctl --version 2>/dev/null | head -n 1 | cut -d' ' -f2)"
    echo "booted=$([ -d /run/systemd/system ] && echo yes)"
    echo "sudo=$(command -v sudo)"
    echo "sudoVersion=$(sudo -V 2>/dev/null | sed -n '1s/.*version //p')"
    echo "visudo=$(command -v visudo)"
    echo "setpriv=$(command -v setpriv)"
    echo "borg=$(borg_version)"
    echo "nc=$(nc -h 2>&1 | grep -q -- '-U' && nc -h 2>&1 | grep -q -- '-N' && command -v nc)"
    echo "python3=$(command -v python3)"
    echo "flock=$(command -v flock)"
    echo "include=$(awk 'tolower($1) == "match" { exit } tolower($1) == "include" && $2 ~ /sshd_config\.d\/\*\.conf$/ { print "yes"; exit }' /etc/ssh/sshd_config 2>/dev/null)"
}

# One fact in a shell of its own: its output in base64, then its exit code.
fact() {
    ( set -f; "fact_$@" ) </dev/null 2>/dev/null | base64 -w 0
    echo
}
echo borgpull-facts
