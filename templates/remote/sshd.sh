# sshd try USER PATH BYTES                     content on stdin: what would be in force, on a copy of the configuration; changes nothing
# sshd change PATH LOCK SECONDS CHANGE BYTES   arms a restore, then CHANGE = write (content on stdin) or remove, sshd -t, reload
# sshd keep PATH | sshd restore PATH           ends what `change` began: the new file stays, or the old one is back
# BYTES is how much there is to come on stdin: a connection that is cut looks like the end of a shorter content (exit 74).
# Exits 65 when sshd refuses the configuration, 75 when a pull holds the lock, 76 when the restore has already run.
set -eu; umask 022
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
verb=$1
mkdir -p /run/sshd # without it sshd -t fails where sshd is socket-activated
# Every condition of a Match that sshd must be told of, or -T refuses a configuration that has one.
as_seen() { echo "user=$1,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"; }

# sshd may never learn that a connection is dead: we wait for so long.
take() { timeout 120 cat >"$1" || :; [ "$(wc -c <"$1")" -eq "$2" ] || { echo "the connection was cut" >&2; exit 74; }; }

reload() {
    if systemctl is-active --quiet ssh.service; then systemctl reload ssh.service
    elif systemctl is-active --quiet sshd.service; then systemctl reload sshd.service
    fi # neither: socket-activated, each connection reads the configuration anew
}

# All of a pending restore lies in one folder, out of every Include's sight. Whoever renames that folder has it: the timer that restores,
# or the one who keeps. A rename is one or the other, whatever happens at the same time.
pending() { unit=borgpull-sshd-restore-$(basename -- "$1" .conf); room=/run/$unit; }
restore_now() {
    [ ! -f "$room/restore" ] || sh "$room/restore"
    # The timer may have been quicker: it is done in a moment.
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -d "$room.restoring" ] || break; sleep 0.5; done
    [ ! -f "$room.restoring/restore" ] || sh "$room.restoring/restore" again
    systemctl stop "$unit.timer" 2>/dev/null || true
}

case $verb in
try)
    user=$2 path=$3 bytes=$4
    stage=$(mktemp -d); trap 'rm -rf -- "$stage"' EXIT
    mkdir "$stage/d"
    cp -p /etc/ssh/sshd_config.d/*.conf "$stage/d/" 2>/dev/null || true
    own=$stage/d/$(basename -- "$path")
    take "$own" "$bytes"
    sed -E "s#^([[:space:]]*[Ii]nclude[[:space:]]+)(/etc/ssh/)?sshd_config\.d/#\1$stage/d/#" /etc/ssh/sshd_config >"$stage/main"
    said() { sed -e "s#$stage/d/#/etc/ssh/sshd_config.d/#g" -e "s#$stage/main#/etc/ssh/sshd_config#g" "$1" >&2; }
    sshd -t -f "$stage/main" >"$stage/out" 2>&1 || { said "$stage/out"; exit 65; }
    sshd -T -f "$stage/main" -C "$(as_seen "$user")" >"$stage/out" 2>"$stage/err" || { said "$stage/err"; exit 65; }
    cat "$stage/out"
    echo "== alone"
    # Without a host key of its own the file alone would be refused on a host whose keys are at other paths.
    key=$(awk '$1 == "hostkey" { print $2 }' "$stage/out" | while read -r key; do [ ! -f "$key" ] || { echo "$key"; break; }; done)
    sshd -T -f "$own" -h "$key" -C "$(as_seen "$user")" 2>"$stage/err" ||
        { said "$stage/err"; exit 65; }
    ;;
change)
    path=$2 lock=$3 seconds=$4 change=$5 bytes=$6
    pending "$path"
    temp='' stage=$(mktemp -d); trap 'rm -rf -- "$stage" ${temp:+"$temp"}' EXIT; trap 'exit 74' HUP INT TERM PIPE
    [ "$change" != write ] || take "$stage/new" "$bytes" # before the lock: what comes over the connection may never come
    between_pulls "$lock"
    # Somebody died between a reload and its proof, less than SECONDS ago: what is there was never proved.
    restore_now
    rm -rf -- "$room.making" "$room.kept"; mkdir -m 700 -- "$room.making"
    if [ -e "$path" ] || [ -L "$path" ]; then cp -a -- "$path" "$room.making/old"; fi
    cat >"$room.making/restore" <<RESTORE
set -u
PATH=$PATH; export PATH
mv -T '$room' '$room.restoring' 2>/dev/null || [ "\${1-}" = again ] || exit 0
cd '$room.restoring' || exit 0
if [ -e old ] || [ -L old ]; then cp -a -- old '$path.restored' && mv -fT -- '$path.restored' '$path'; else rm -f -- '$path'; fi
sync
if systemctl is-active --quiet ssh.service; then systemctl reload ssh.service; elif systemctl is-active --quiet sshd.service; then systemctl reload sshd.service; fi
cd / && rm -rf -- '$room.restoring'
systemctl stop --no-block '$unit.timer' 2>/dev/null
exit 0
RESTORE
    sync
    mv -T -- "$room.making" "$room"
    systemd-run --quiet --collect --unit="$unit" --on-active="$seconds" --timer-property=AccuracySec=1s /bin/sh "$room/restore"
    if [ "$change" = write ]; then
        folder=$(dirname -- "$path")
        find "$folder" -ignore_readdir_race -maxdepth 1 -name '.borgpull.????????' -type f -mmin +10 -exec rm -f -- {} + # a power cut left it
        temp=$(mktemp -- "$folder/.borgpull.XXXXXXXX")
        cp -- "$stage/new" "$temp"; chown 0:0 "$temp"; chmod 644 "$temp"; sync -- "$temp"
        mv -fT -- "$temp" "$path"; sync -- "$folder"
    else
        rm -f -- "$path"
    fi
    sshd -t >&2 || { restore_now; exit 65; }
    reload
    ;;
keep)
    pending "$2"
    mv -T -- "$room" "$room.kept" 2>/dev/null || exit 76
    systemctl stop "$unit.timer" 2>/dev/null || true
    rm -rf -- "$room.kept"
    ;;
restore)
    pending "$2"
    restore_now
    ;;
esac
