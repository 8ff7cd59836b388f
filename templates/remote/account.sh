# account ensure NAME FOLDER SHELL GECOS ADOPT | account remove NAME FOLDER RUN
# ensure exits 77 when somebody else's group or folder is in the way (named on stderr), unless ADOPT is yes.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
verb=$1 name=$2 folder=$3
case $verb in
ensure)
    shell=$4 gecos=$5 adopt=$6
    if ! getent passwd "$name" >/dev/null; then
        group=--user-group
        if getent group "$name" >/dev/null; then
            [ "$adopt" = yes ] || { echo "the group $name" >&2; exit 77; }
            group="--gid $name"
        fi
        # The removal of the account takes its folder along: not somebody else's. Nobody's is what a deleted account left.
        if [ -e "$folder" ] && [ "$adopt" != yes ] && [ "$(stat -c %U -- "$folder")" != UNKNOWN ]; then echo "$folder" >&2; exit 77; fi
        # shellcheck disable=SC2086
        useradd --system $group --home-dir "$folder" --no-create-home --shell "$shell" --comment "$gecos" -- "$name"
    fi
    # --groups '': no others.
    usermod --home "$folder" --shell "$shell" --comment "$gecos" --gid "$name" --groups '' --expiredate '' -- "$name"
    # '*' and not '!': an sshd without PAM takes '!' for a locked account. Once it is, it stays: setting it again notes today as the day of change.
    case $(getent shadow "$name") in "$name:*:"*) ;; *) usermod --password '*' -- "$name" ;; esac
    if [ -L "$folder" ]; then echo "$folder is a symbolic link" >&2; exit 73; fi
    mkdir -p -m 700 -- "$folder"
    chown -h -- "$name:$name" "$folder"
    chmod 700 -- "$folder"
    ;;
remove)
    run=$4
    # A pull still running ends here, and whatever it left: the account must not be in use.
    # logind keeps a manager for an account that has just been logged in.
    loginctl terminate-user "$name" 2>/dev/null || true
    pkill -TERM -u "$name" || true
    for _ in 1 2 3 4 5 6 7 8 9 10; do pgrep -u "$name" >/dev/null || break; sleep 0.3; done
    pkill -KILL -u "$name" || true
    # Only what belongs to the account goes with it; its cache of privilege "root" is root's.
    for path in "$folder" "$run"; do
        [ -L "$path" ] || [ "$(stat -c %U -- "$path" 2>/dev/null)" != "$name" ] || rm -rf --one-file-system -- "$path"
    done
    rm -rf --one-file-system -- "/var/cache/$name" "$run-attended"
    ! getent passwd "$name" >/dev/null || userdel -- "$name"
    ! getent group "$name" >/dev/null || groupdel -- "$name"
    rm -f -- "$run.lock"
    ;;
esac
