# sshd try USER PATH                     content on stdin: what would be in force, on a copy of the configuration; changes nothing
# sshd change PATH LOCK SECONDS CHANGE   arms a restore, then CHANGE = write (content on stdin) or remove, sshd -t, reload
# sshd keep PATH | sshd restore PATH     ends what `change` began: the new file stays, or the old one is back
# Exits 65 when sshd refuses the configuration, 75 when a pull holds the lock, 76 when the restore has already run.
set -eu; umask 022
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
verb=$1
mkdir -p /run/sshd # without it sshd -t fails where sshd is socket-activated

reload() {
    if systemctl is-active --quiet ssh.service; then systemctl reload ssh.service
    elif systemctl is-active --quiet sshd.service; then systemctl reload sshd.service
    fi # neither: socket-activated, each connection reads the configuration anew
}
# All of a pending restore lies here, out of every Include's sight.
pending() { unit=borgpull-sshd-restore-$(basename -- "$1" .conf); room=/run/$unit; }
disarm() {
    systemctl stop "$unit.timer" 2>/dev/null || true
    rm -rf -- "$room"
}

case $verb in
try)
    user=$2 path=$3
    stage=$(mktemp -d); trap 'rm -rf -- "$stage"' EXIT
    mkdir "$stage/d"
    cp -p /etc/ssh/sshd_config.d/*.conf "$stage/d/" 2>/dev/null || true
    cat >"$stage/d/$(basename -- "$path")"
    sed -E "s#^([[:space:]]*[Ii]nclude[[:space:]]+)(/etc/ssh/)?sshd_config\.d/#\1$stage/d/#" /etc/ssh/sshd_config >"$stage/main"
    if ! sshd -t -f "$stage/main" >"$stage/out" 2>&1; then
        sed -e "s#$stage/d/#/etc/ssh/sshd_config.d/#g" -e "s#$stage/main#/etc/ssh/sshd_config#g" "$stage/out" >&2
        exit 65
    fi
    sshd -T -f "$stage/main" -C "user=$user,host=localhost,addr=127.0.0.1" 2>&1
    echo "== alone"
    sshd -T -f "$stage/d/$(basename -- "$path")" -C "user=$user,host=localhost,addr=127.0.0.1" 2>&1
    ;;
change)
    path=$2 lock=$3 seconds=$4 change=$5
    pending "$path"
    if [ -n "$lock" ] && [ -e "$lock" ]; then exec 9<"$lock"; flock -x -w 3 9 || exit 75; fi
    # Somebody died between a reload and its proof, less than SECONDS ago: what is there was never proved.
    if [ -f "$room/restore" ]; then sh "$room/restore"; fi
    systemctl stop "$unit.timer" 2>/dev/null || true
    rm -rf -- "$room"; mkdir -m 700 -- "$room"
    if [ "$change" = write ]; then cat >"$room/new"; chmod 644 "$room/new"; fi
    if [ -e "$path" ] || [ -L "$path" ]; then cp -a -- "$path" "$room/old"; fi
    cat >"$room/restore" <<RESTORE
set -u
PATH=$PATH; export PATH
if [ -e '$room/old' ] || [ -L '$room/old' ]; then cp -a -- '$room/old' '$path.restored' && mv -fT -- '$path.restored' '$path'; else rm -f -- '$path'; fi
sync
if systemctl is-active --quiet ssh.service; then systemctl reload ssh.service; elif systemctl is-active --quiet sshd.service; then systemctl reload sshd.service; fi
rm -rf -- '$room'
systemctl stop --no-block '$unit.timer' 2>/dev/null
RESTORE
    sync -- "$room/restore"
    systemd-run --quiet --collect --unit="$unit" --on-active="$seconds" --timer-property=AccuracySec=1s /bin/sh "$room/restore"
    if [ "$change" = write ]; then
        folder=$(dirname -- "$path")
        temp=$(mktemp -- "$folder/.borgpull.XXXXXXXX")
        cp -- "$room/new" "$temp"; chown 0:0 "$temp"; chmod 644 "$temp"; sync -- "$temp"
        mv -fT -- "$temp" "$path"; sync -- "$folder"
    else
        rm -f -- "$path"
    fi
    if ! sshd -t >&2; then sh "$room/restore"; systemctl stop "$unit.timer" 2>/dev/null || true; exit 65; fi
    reload
    ;;
keep)
    pending "$2"
    [ -f "$room/restore" ] && systemctl is-active --quiet "$unit.timer" || exit 76
    disarm
    ;;
restore)
    pending "$2"
    [ ! -f "$room/restore" ] || sh "$room/restore"
    disarm
    ;;
reload)
    sshd -t >&2 || exit 65
    reload
    ;;
esac
