# run COMMAND ARG...: one command, with the system's own PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
exec "$@"
