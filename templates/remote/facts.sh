# What is so on this machine: one function a fact, run as root, reading only. A fact prints for its parser in remote/facts/.
# Each process that is started here is started on every machine at every preview: what the shell can do itself, it does.
LC_ALL=C; TZ=UTC; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL TZ PATH
me=$(id -u)

# file PATH: its kind, and for a regular file mode, user, group and content. What others can exchange at any time is not taken for a file
# of ours (in a sticky folder they cannot).
fact_file() {
    if [ -L "$1" ]; then echo "symlink $(readlink -- "$1")"
    elif [ ! -e "$1" ]; then echo absent
    elif ! firm "${1%/*}"; then echo "other file in a folder that others can write"
    elif [ -f "$1" ]; then stat -c 'file 0%a %U %G' -- "$1"; head -c 1048576 -- "$1"
    else stat -c 'other %F' -- "$1"
    fi
}

# Whether nobody but root and this user can exchange what is in a folder.
firm() {
    [ "$1" = "${firmest-none}" ] && return 0
    [ -z "$(find "${1:-/}" -maxdepth 0 '(' -perm /022 ! -perm -1000 -o ! -uid 0 ! -uid "$me" ')')" ] && firmest=$1
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
    getent shadow "$1" | { IFS=: read -r _ password _ _ _ _ _ expires _ && printf '%s:%s\n' "$password" "$expires"; }
    id -Gn "$1"
}

# sshd USER PATH: what is in force for that user, then what PATH alone would put in force, then whether sshd has loaded its files
fact_sshd() {
    [ -d /run/sshd ] || mkdir -p /run/sshd # without it sshd -T fails where sshd is socket-activated
    seen="user=$1,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"
    settings=$(sshd -T -C "$seen" 2>&1) || settings="failed: $settings"
    printf '%s\n' "$settings"
    echo "== alone"
    if [ -f "$2" ]; then
        for key in $(printf '%s\n' "$settings" | sed -n 's/^hostkey //p'); do [ ! -f "$key" ] || break; done
        sshd -T -f "$2" -h "$key" -C "$seen" 2>&1
    fi
    echo "== loaded"
    # A change that nobody has proved is undone in a moment: it counts for nothing.
    room=${2##*/}; room=/run/borgpull-sshd-restore-${room%.conf}
    if [ -d "$room" ] || [ -d "$room.restoring" ]; then echo pending; else sshd_loaded; fi
}

# Whether the running sshd read its configuration after it was last changed: systemd notes the time of a start or reload.
sshd_loaded() {
    sshd_unit ssh.service
    [ "$LoadState" = loaded ] || sshd_unit sshd.service
    if [ "$ActiveState" != active ]; then echo yes; return 0; fi # socket-activated: read at each connection
    case $ReloadResult in success|'') ;; *) echo no; return 0 ;; esac
    newer=$(find /etc/ssh/sshd_config /etc/ssh/sshd_config.d -newerct "$StateChangeTimestamp" -printf changed)
    if [ -n "$StateChangeTimestamp" ] && [ -z "$newer" ]; then echo yes; else echo no; fi
}

sshd_unit() {
    LoadState=; ActiveState=; ReloadResult=; StateChangeTimestamp=
    while IFS='=' read -r name value; do
        case $name in LoadState|ActiveState|ReloadResult|StateChangeTimestamp) eval "$name=\$value" ;; esac
    done <<EOF
$(systemctl show --timestamp=us -p LoadState -p ActiveState -p ReloadResult -p StateChangeTimestamp "$1")
EOF
}

# key BLOB: every place that holds this public key, as file:line:text
fact_key() {
    { getent passwd | cut -d: -f6 | sort -u | while read -r home; do
        for file in "$home"/.ssh/authorized_keys "$home"/.ssh/authorized_keys2; do [ -f "$file" ] && printf '%s\n' "$file"; done
      done
      find /etc/ssh -type f ! -name '.borgpull.*'
    } | sort -u | xargs -r -d '\n' grep -nHF -- "$1"
    true
}

# unit MANAGER NAME: enabled, active, and whether systemd has loaded what is on disk
fact_unit() {
    command -v systemctl >/dev/null || { echo none; return 0; }
    scope=--system; [ "$1" != user ] || scope=--user
    : "${XDG_RUNTIME_DIR:=/run/user/$me}"; export XDG_RUNTIME_DIR # unset after su, and in a job of cron
    echo "$(systemctl $scope is-enabled "$2" || true)"
    echo "$(systemctl $scope is-active "$2" || true)"
    systemctl $scope show -p NeedDaemonReload --value "$2" || echo none
}

# The version of the borg that the helper would run; one that others than root could have put there is not even asked.
borg_version() {
    borg=$(PATH=/usr/local/sbin:/usr/local/bin:$PATH command -v borg) || return 0
    for at in $(readlink -f -- "$borg" "${borg%/*}"); do real=${real:-$at}; done
    for at in "$real" "${real%/*}" "$at"; do
        [ -n "$(find "$at" -maxdepth 0 -user root ! -perm /022)" ] || { echo "at $at, which others than root can write,"; return 0; }
    done
    # Debian's names its version, and needs a third of a second to say so itself.
    { read -r first; read -r second; } <"$real"
    version=${second#"# EASY-INSTALL-ENTRY-SCRIPT: 'borgbackup=="}; version=${version%"','console_scripts','borg'"}
    if [ "$real $first" = "/usr/bin/borg #!/usr/bin/python3" ] && [ -x /usr/bin/python3 ] && [ -e "/usr/lib/python3/dist-packages/borgbackup-$version.egg-info" ]
    then echo "$version"
    else "$borg" --version | cut -d' ' -f2
    fi
}

# capabilities: what the machine has of what a pull needs, one key=value a line
fact_capabilities() {
    echo "os=$(. /etc/os-release; echo "${PRETTY_NAME-unknown}")"
    version=$(sshd -V 2>&1)
    case $version in *OpenSSH_*) version=${version#*OpenSSH_}; echo "openssh=${version%%[!0-9.]*}" ;; esac
    systemctl --version | { read -r _ version _; echo "systemd=$version"; }
    [ ! -d /run/systemd/system ] || echo booted=yes
    sudo -V | { read -r version; echo "sudoVersion=${version##*version }"; }
    echo "borg=$(borg_version)"
    usage=$(nc -h 2>&1)
    case $usage in *-U*) case $usage in *-N*) echo "nc=$(command -v nc)" ;; esac ;; esac
    for program in sudo visudo setpriv python3 flock; do echo "$program=$(command -v $program)"; done
    awk 'tolower($1) == "match" { exit } tolower($1) == "include" && $2 ~ /sshd_config\.d\/\*\.conf$/ { print "include=yes"; exit }' /etc/ssh/sshd_config
}

# ahead QUESTION...: what is going to be asked, each question and its answer followed by a NUL. A question is a fact with its arguments, in
# one word; "files FOLDER" stands for "file" of each that is in there, "keys FILE" for "key" of each that has a line there.
fact_ahead() {
    for question; do
        # shellcheck disable=SC2086 # words
        set -- $question
        case $1 in
            files) set +f; set -- "$2"/*; set -f; for file; do answer "file $file"; done ;;
            keys) for word in $(grep -o 'ssh-ed25519 AAAA[A-Za-z0-9+/]*=*' "$2"); do [ "$word" = ssh-ed25519 ] || answer "key $word"; done ;;
            *) answer "$question" ;;
        esac
    done
}

answer() {
    printf '%s\0' "$1"
    # shellcheck disable=SC2086 # words
    fact_$1
    printf '\0'
}

# One fact in a shell of its own: its output in base64, then its exit code.
fact() {
    ( set -f; "fact_$@" ) </dev/null 2>/dev/null | base64 -w 0
    echo
}
echo borgpull-facts
