# unit MANAGER apply NAME enabled|disabled active|inactive: makes systemd load, enable and run it as asked
# unit MANAGER stop NAME: stopped and disabled, before its file goes;  unit MANAGER reload: after it went
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
scope=--system; [ "$1" != user ] || scope=--user
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"; export XDG_RUNTIME_DIR # unset after su, and in a job of cron
case $2 in
apply)
    systemctl $scope daemon-reload
    if [ "$4" = enabled ]; then systemctl $scope enable --quiet -- "$3"; else systemctl $scope disable --quiet -- "$3"; fi
    [ "$5" != active ] || systemctl $scope restart -- "$3" # asked to be inactive: it may be a pull in progress, and is let be
    ;;
stop) systemctl $scope disable --now --quiet -- "$3" 2>/dev/null || true ;;
reload) systemctl $scope daemon-reload ;;
esac
