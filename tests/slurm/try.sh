#!/usr/bin/env bash
# Run the smoke scale through a real one-node Slurm, and requeue one of its searches under way.
#
#   sudo tests/slurm/try.sh      on a Debian machine or container that is not a cluster's node
#
# It installs Debian's Slurm, writes /etc/slurm/slurm.conf and starts the daemons as root. It needs a
# checkout in which `make env` has run. What was seen is written down in tests/slurm/README.md.
set -euo pipefail

cd "$(dirname "$0")/../.."
export PATH="$PWD/.venv/bin:$PATH" MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MPLBACKEND=Agg
node=$(hostname -s)

apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge
pip install --quiet --disable-pip-version-check "snakemake-executor-plugin-slurm==2.8.*"

mkdir -p /run/munge /etc/slurm /var/spool/slurmctld /var/spool/slurmd
chown munge: /run/munge
cat > /etc/slurm/slurm.conf <<CONF
ClusterName=try
SlurmctldHost=$node
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
JobRequeue=1
KillWait=60
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
NodeName=$node CPUs=$(nproc) RealMemory=$(free -m | awk '/^Mem/ {print $2 - 1000}') State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
pgrep munged > /dev/null || su -s /bin/sh munge -c munged
pgrep slurmctld > /dev/null || slurmctld
pgrep slurmd > /dev/null || slurmd
sleep 2
scontrol update "NodeName=$node" State=RESUME || true # an earlier try may have drained it
for _ in $(seq 30); do
	[ "$(sinfo --noheader --format=%t)" = idle ] && break
	sleep 1
done
sinfo

# One search that is long enough to be requeued while it runs.
scale=$(mktemp --suffix=.yaml)
sed 's/^scale: smoke/scale: slurm/; s/epochs: 2,/epochs: 600,/' config/smoke.yaml > "$scale"
options=(--workflow-profile profiles/slurm --config scale="$scale" --jobs 2
	--slurm-no-account --slurm-status-command squeue --latency-wait 10)

snakemake "${options[@]}" E5 > slurm-try.log 2>&1 &
snakemake=$!
requeued=
while kill -0 "$snakemake" 2> /dev/null; do
	job=$(squeue --noheader --states=RUNNING --format=%i | head -n 1)
	if [ -z "$requeued" ] && [ -n "$job" ] && ls results/slurm/checkpoints/*/*.pt > /dev/null 2>&1; then
		scontrol requeue "$job" && requeued=$job && echo "requeued job $job"
	fi
	squeue --noheader --format='%i %j %T %M %l %m %C %b' || true
	sleep 2
done
wait "$snakemake"
wiring verify results/slurm/trajectories/E5_*
grep -h resumed results/slurm/trajectories/E5_*/manifest.json | sort | uniq -c
