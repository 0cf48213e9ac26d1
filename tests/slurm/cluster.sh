#!/usr/bin/env bash
# A SLURM cluster of this one machine, for tests: cluster.sh up FOLDER | down FOLDER. Needs root, slurm-wlm and munge
# (Debian packages). It has no accounting, and as many pretended GPUs as GPUS says (3); everything lies in FOLDER.
set -euo pipefail
command=$1
folder=$(realpath -m "$2")

up() {
    mkdir -p "$folder"/{munge,state,spool}
    chmod 755 "$folder"
    chmod 700 "$folder/munge"
    cores=$(nproc)
    node=$(hostname -s)
    gpus=${GPUS:-3}
    dd if=/dev/urandom of="$folder/munge/key" bs=64 count=1 status=none
    chmod 600 "$folder/munge/key"
    for ((gpu = 0; gpu < gpus; gpu++)); do
        # SLURM wants character devices; these are further names of /dev/null.
        [ -e "$folder/gpu$gpu" ] || mknod "$folder/gpu$gpu" c 1 3
        echo "NodeName=$node Name=gpu File=$folder/gpu$gpu"
    done > "$folder/gres.conf"
    case $(slurmd -V) in
        *" 22."*) plugin=$([ -d /sys/fs/cgroup/memory ] && echo cgroup/v1 || echo autodetect) ;;
        *) plugin=disabled ;;
    esac
    echo "CgroupPlugin=$plugin" > "$folder/cgroup.conf"
    cat > "$folder/slurm.conf" <<EOF
ClusterName=advatlas_test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
MinJobAge=3600
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo) Gres=gpu:$gpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
EOF
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munge/munged.log" --seed-file="$folder/munge/seed"
    export SLURM_CONF=$folder/slurm.conf
    # Steps of a job look in the usual place alone.
    mkdir -p /etc/slurm
    if [ -e /etc/slurm/slurm.conf ] && [ ! -L /etc/slurm/slurm.conf ]; then
        echo "/etc/slurm/slurm.conf is there: this machine is part of a real cluster" >&2
        exit 1
    fi
    ln -sfn "$folder/slurm.conf" /etc/slurm/slurm.conf
    slurmctld
    slurmd -N "$node"
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ]; then
            exit 0
        fi
        sleep 0.5
    done
    echo "the cluster did not come up; see $folder/*.log" >&2
    exit 1
}

down() {
    export SLURM_CONF=$folder/slurm.conf
    scancel --user=root 2>/dev/null || true
    if [ -L /etc/slurm/slurm.conf ]; then
        rm /etc/slurm/slurm.conf
    fi
    for name in slurmd slurmctld munged; do
        if [ -f "$folder/$name.pid" ]; then
            kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
        fi
    done
}

"$command"
