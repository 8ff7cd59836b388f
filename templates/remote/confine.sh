# confine DIR empty|any URL FILE_BYTES|unlimited WORD...: runs `borg WORD...` with DIR for its current folder, and with nothing else of this
# machine that it could write; no file becomes larger than FILE_BYTES. An archive that a hostile VPS has made may hold a link and then files below it: borg follows it, as root, wherever it leads; over a
# device or a pipe that it cannot remove, it writes into it. So borg gets a root of its own: programs and /etc read-only, a few harmless
# devices, DIR, and nothing else. What it restores (owners, modes, device nodes, set-user-ID bits) is in DIR as it was.
#   unshare --mount --propagation private --pid --fork --kill-child sh -c TEXT confine ...
# stdin: the passphrase's line, then what home's borg serve answers; stdout: what borg asks of it; stderr: borg's words.
# Own exit codes: 220 DIR cannot be used, 221 there is no such root here, 222 no borg, 223 DIR is not empty, 224 DIR has what must not be
# written to. The others are borg's.
set -euf
umask 077
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
die() { code=$1; shift; printf 'confine: %s\n' "$*" >&2; exit "$code"; }
dir=$1 want=$2 url=$3 file_bytes=$4; shift 4
IFS= read -r passphrase || die 220 "no passphrase came"
exec 3<&0 4>&1 </dev/null >&2

borg=$(command -v borg) || die 222 "borg is not installed"
for program in pivot_root prlimit; do
    command -v "$program" >/dev/null || die 221 "$program (util-linux) is not installed"
done
if [ ! -e "$dir" ] && [ ! -L "$dir" ]; then mkdir -p -- "$dir" || die 220 "$dir cannot be made"; fi
cd -- "$dir" 2>/dev/null || die 220 "$dir is not a folder"
[ "$want" = any ] || [ -z "$(ls -A)" ] || die 223 "$dir is not empty"

must() { "$@" || die 221 "this fails here: $*"; }
new=/tmp
# The current folder may be below /tmp: it is still where it was.
must mount -t tmpfs -o nosuid,nodev,mode=755 borgpull "$new"
mkdir "$new/old" "$new/to" "$new/dev" "$new/proc" "$new/work"
must mount --no-canonicalize --rbind . "$new/to"
# Of a borg that is none of the system's, the folder with its bin and lib.
real=$(readlink -f -- "$borg")
case $real in /usr/* | /opt/* | /nix/* | /gnu/* | /bin/*) prefix='' ;; *) prefix=${real%/*} prefix=${prefix%/*} ;; esac
for at in bin sbin lib lib32 lib64 libx32 usr etc opt nix gnu ${prefix:+"${prefix#/}"}; do
    if [ -L "/$at" ]; then
        cp -P -- "/$at" "$new/$at"
    elif [ -d "/$at" ]; then
        mkdir -p -- "$new/$at"
        must mount --rbind "/$at" "$new/$at"
    fi
done

# Ours alone, by their numbers: what was mounted below /tmp before is listed there still. A blank in a path is \040 here, \0040 for printf.
mounts=$(sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g' /proc/self/mountinfo)
ours=$(printf '%s\n' "$mounts" | while read -r id _ _ _ at _; do [ "$at" != "$new" ] || echo "$id"; done | tail -n 1)
while read -r id parent _ _ at options rest; do
    case " $ours " in *" $parent "*) ours="$ours $id" ;; *) continue ;; esac
    kind=" $rest" kind=${kind#* - } kind=${kind%% *}
    at=$(printf '%b' "$at")
    case $at in
        "$new/to" | "$new/to"/*)
            case $kind in
                proc | sysfs | dev* | cgroup* | *fs_ctl | debugfs | tracefs | securityfs | configfs | bpf | autofs | mqueue | binfmt_misc)
                    die 224 "$dir has a file system of the kernel's in it ($kind)" ;;
            esac
            flags=nosuid,nodev,noexec ;;
        *) flags=ro,nosuid,nodev; case ,$options, in *,noexec,*) flags=$flags,noexec ;; esac ;;
    esac
    must mount -o "remount,bind,$flags" "$at"
done <<END
$mounts
END

must mount -t tmpfs -o nosuid,noexec,mode=755 borgpull "$new/dev"
for node in null zero full random urandom; do
    : >"$new/dev/$node"
    must mount --bind "/dev/$node" "$new/dev/$node"
done
must mount -o remount,bind,ro,nosuid,noexec "$new/dev"
# Of this namespace's processes alone: /proc/PID/root would lead out. Where it may not be mounted, borg does without.
mount -t proc -o ro,nosuid,nodev,noexec borgpull "$new/proc" 2>/dev/null || :
# borg's cache and temporary files, gone with it. What an archive's links lead into it is memory: not more than a borg that unpacks itself needs.
must mount -t tmpfs -o nosuid,nodev,mode=700,size=256m,nr_inodes=10k borgpull "$new/work"
mkfifo "$new/in" "$new/out" "$new/secret"
must mount -o remount,bind,ro,nosuid,nodev "$new"
cd "$new"
must pivot_root . old
cd /to
must umount -l /old

# All of it ends with this shell, which is process 1.
cat <&3 >/in &
cat /out >&4 &
printf '%s\n' "$passphrase" >/secret &
passphrase=
exec 3<&- 4>&-
# 4 GiB of memory: a hundred chunks of up to 20 MB are on their way at once, but one that a hostile VPS made may unpack without end. A core
# file would hold the passphrase.
limits='--as=4294967296 --core=0'
[ "$file_bytes" = unlimited ] || limits="$limits --fsize=$file_bytes"
status=0
# shellcheck disable=SC2086
env -i PATH="$PATH" LANG=C.UTF-8 TZ=UTC HOME=/work TMPDIR=/work BORG_BASE_DIR=/work PYTHONNOUSERSITE=1 BORG_EXIT_CODES=modern \
    BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_DISPLAY_PASSPHRASE=no \
    BORG_PASSPHRASE_FD=3 BORG_REPO="$url" BORG_RSH="sh -c 'cat /in & exec cat >/out'" \
    prlimit $limits -- "$borg" "$@" 3</secret || status=$?
exit "$status"
