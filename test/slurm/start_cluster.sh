#!/usr/bin/env bash
# Starts a Slurm cluster of one node, this machine, for test/slurm; says why where it cannot.
# A cluster that answers already, this one or another, is left as it is.
#   start_cluster.sh          start it, installing Debian's slurm-wlm and munge where they are absent
#   start_cluster.sh stop     stop what it started
set -eu
PATH=$PATH:/usr/sbin:/sbin  # where Debian has daemons
folder=/run/deffe-slurm
conf=$folder/slurm.conf

answers() { command -v sinfo > /dev/null && timeout 10 sinfo --noheader --format=%T 2> /dev/null | grep -Eq 'idle|mixed|alloc'; }

stop() {
    for daemon in slurmctld slurmd munged; do
        if [ -f "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" 2> /dev/null || true; fi
    done
}

install() {
    if command -v slurmctld > /dev/null && command -v slurmd > /dev/null && command -v munged > /dev/null; then return; fi
    command -v apt-get > /dev/null || { echo "no Slurm test cluster: slurmctld, slurmd or munged is absent"; exit 0; }
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if ! { apt-get -q update && apt-get -q install -y --no-install-recommends slurm-wlm munge; } > "$log" 2>&1; then
        tail -n 5 "$log"
        echo "no Slurm test cluster: slurm-wlm and munge cannot be installed"
        exit 0
    fi
}

configure() {
    host=$(hostname -s)
    memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    mkdir -p "$folder/state" "$folder/spool"
    cat > "$conf.new" << END
ClusterName=deffe-test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
ReturnToService=2
MailProg=/bin/true
KillWait=2
OverTimeLimit=0
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
    mv "$conf.new" "$conf"
    # clients find it without being told
    mkdir -p /etc/slurm
    [ -e /etc/slurm/slurm.conf ] || ln -s "$conf" /etc/slurm/slurm.conf
}

start_munge() {
    if timeout 5 munge -n > /dev/null 2>&1; then return; fi
    mkdir -p /run/munge /var/log/munge /var/lib/munge
    chown munge: /run/munge /var/log/munge /var/lib/munge /etc/munge
    chmod 755 /run/munge
    if [ ! -f /etc/munge/munge.key ]; then
        dd if=/dev/urandom of=/etc/munge/munge.key bs=1 count=1024 status=none
        chown munge: /etc/munge/munge.key
        chmod 400 /etc/munge/munge.key
    fi
    runuser -u munge -- /usr/sbin/munged
    if [ -f /run/munge/munged.pid ]; then ln -sf /run/munge/munged.pid "$folder/munged.pid"; fi
}

main() {
    if [ "${1:-start}" = stop ]; then stop; exit 0; fi
    if answers; then exit 0; fi
    if [ "$(id -u)" != 0 ]; then echo "no Slurm test cluster: only root can start one"; exit 0; fi
    install
    configure
    start_munge
    SLURM_CONF=$conf slurmctld -c
    SLURM_CONF=$conf slurmd
    for _ in $(seq 100); do
        if answers; then exit 0; fi
        sleep 0.2
    done
    tail -n 5 "$folder"/slurm*.log
    echo "no Slurm test cluster: it was started and does not answer"
}

main "$@"
