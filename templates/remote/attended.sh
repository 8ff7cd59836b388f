# attended begin FOLDER USER RELAY CACHE | attended end FOLDER
# begin makes a folder for the sockets, in which only USER and root can do anything, and prints a command that connects stdin and stdout to a
# socket. stdin is kept in it as `env`, with @RELAY@ in it replaced by that command. It exits 72 without borg, 73 without such a command.
# CACHE is made for borg's home.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
verb=$1 folder=$2
rm -rf --one-file-system -- "$folder"
case $verb in
begin)
    user=$3 relay=$4 cache=$5
    command -v borg >/dev/null || exit 72
    # Openbsd's nc needs -N to end when either side does; traditional and busybox nc have no -U.
    case $(nc -h 2>&1 || :) in
        *-N*Shutdown*-U*) connect='nc -U -N' ;;
        *) { command -v python3 >/dev/null && [ -r "$relay" ]; } || exit 73; connect="python3 -I $relay" ;;
    esac
    umask 077
    mkdir -p -- "$cache"
    [ -d "${folder%/*}" ] || mkdir -m 711 -- "${folder%/*}"
    mkdir -m 700 -- "$folder"
    sed "s|@RELAY@|$connect|" >"$folder/env"
    chown -- "$user" "$folder"
    echo "$connect"
    ;;
end)
    rmdir -- "${folder%/*}" 2>/dev/null || :
    ;;
esac
