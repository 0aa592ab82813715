#!/usr/bin/env bash
# Run two searches through a real one-node Slurm: one is preempted, one runs into its time limit.
#
#   sudo tests/slurm/try.sh      on a Debian machine or container with two cores or more
#
# The searches have to take longer than the minute and a half after which Slurm stops one, and not much
# longer: on a busy machine say EPOCHS=150.
#
# It needs a checkout in which `make env` has run and installs Debian's Slurm if it is not there. All
# else (configuration, daemons' state, results) is in a temporary folder that is removed at the end.
# Exit status 1: something was not as it has to be. README.md tells what was seen.
set -euo pipefail

cd "$(dirname "$0")/../.."
export PATH="$PWD/.venv/bin:$PATH" MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MPLBACKEND=Agg
unset MLFLOW_TRACKING_URI
tmp=$(mktemp -d)
chmod 755 "$tmp" # munged wants its socket reachable
daemons=()

clean_up() {
	status=$?
	# Its child: Snakemake, which would submit again what is cancelled below.
	[ -z "${snakemake:-}" ] || pkill --parent "$snakemake" || true
	if [ ${#daemons[@]} -gt 0 ]; then
		scancel --user=root 2> /dev/null || true
		for _ in $(seq 60); do [ -n "$(squeue --noheader 2> /dev/null)" ] || break; sleep 1; done
		kill "${daemons[@]}" 2> /dev/null || true
		wait "${daemons[@]}" 2> /dev/null || true
	fi
	[ "$(readlink /etc/slurm/slurm.conf)" != "$tmp/slurm.conf" ] ||
		rm /etc/slurm/slurm.conf /etc/slurm/gres.conf
	rm -rf "$tmp"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# 1. Slurm: what its packages need to run by themselves as root on one node.
command -v slurmctld slurmd sbatch munged > /dev/null ||
	apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge
# --no-deps: all that it needs is locked already, as `pip check` confirms.
pip install --quiet --disable-pip-version-check --no-deps \
	"snakemake-executor-plugin-slurm==2.8.*" "snakemake-executor-plugin-slurm-jobstep==0.6.*"
pip check

[ ! -e /etc/slurm/slurm.conf ] || { echo "/etc/slurm/slurm.conf is there: a cluster's node?"; exit 1; }
# Not by SLURM_CONF: the plugin's job step takes that variable from its srun.
ln -sf "$tmp/slurm.conf" "$tmp/gres.conf" /etc/slurm/
node=$(hostname -s)
cat > "$tmp/slurm.conf" <<CONF
ClusterName=try
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
# How long a requeued job waits: 120 seconds unless said otherwise.
AuthInfo=socket=$tmp/munge.socket,cred_expire=30
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# Jobs say themselves that they may be requeued (the profile does), whatever the cluster says.
JobRequeue=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=2
# Finished jobs stay in squeue to be looked at; a requeued one goes on in its log.
MinJobAge=86400
JobFileAppend=1
StateSaveLocation=$tmp/slurmctld
SlurmdSpoolDir=$tmp/slurmd
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
$(slurmd -C | head -n 1) NodeAddr=127.0.0.1 Gres=gpu:1
PartitionName=usual Nodes=$node PriorityTier=1 Default=YES
PartitionName=urgent Nodes=$node PriorityTier=2
CONF
# A GPU that is only counted: what stands behind it is no device.
echo "Name=gpu File=/dev/null" > "$tmp/gres.conf"
mkdir "$tmp/slurmctld" "$tmp/slurmd"
(umask 077 && head -c 1024 /dev/urandom > "$tmp/munge.key")
munged --foreground --socket="$tmp/munge.socket" --key-file="$tmp/munge.key" \
	--pid-file="$tmp/munge.pid" --seed-file="$tmp/munge.seed" 2> "$tmp/munge.log" &
daemons+=($!)
until [ -S "$tmp/munge.socket" ]; do sleep 0.2; done
slurmctld -D 2> "$tmp/slurmctld.log" &
daemons+=($!)
slurmd -D 2> "$tmp/slurmd.log" &
daemons+=($!)
for _ in $(seq 30); do
	[ "$(sinfo --noheader --partition=usual --format=%t 2> /dev/null)" = idle ] && break
	sleep 1
done
sinfo --format='%P %t %c %m %G'

# 2. The searches: dsnas asks for the GPU and will be preempted; darts needs more than its minute;
# snas is short and asks for both cores.
cat > "$tmp/try.yaml" <<SCALE
scale: try
datasets:
  digits: {source: digits, test_fraction: 0.2, train_samples: 96}
defaults:
  space: {cells: 2, nodes: 2, channels: 4}
  alpha: {lr: 0.01}
  train: {epochs: ${EPOCHS:-600}, batch_size: 24}
experiments:
  E5:
    title: Stopped and taken up again
    methods: [dsnas, darts, snas]
    levels: [bi]
    datasets: [digits]
    seeds: [0]
    overrides:
      - {method: dsnas, set: {run: {gpus: 1, memory_mb: 1200}}}
      - {method: darts, set: {run: {minutes: 1}}}
      - {method: snas, set: {run: {threads: 2}, train: {epochs: 2}}}
SCALE
# Conditions; each has one seed.
preempted=E5_dsnas_bi_digits
limited=E5_darts_bi_digits

run() { # a folder of its own, options of Snakemake
	local place=$1
	shift
	mkdir -p "$tmp/$place"
	snakemake --directory "$tmp/$place" --config scale="$tmp/try.yaml" "$@"
}
queue() { # Snakemake's jobs, oldest first, one line each; what is submitted again has one more
	squeue --states=all --noheader --sort=i --Format="Comment:60,$1" |
		sed -n '/^rule_/{s/  */ /g; s/ $//; p}'
}

# 3. Without Slurm: what has to come out.
run plain --cores 2 _trajectories > "$tmp/plain.log" 2>&1 || { cat "$tmp/plain.log"; exit 1; }

# 4. Through Slurm. When dsnas is under way, a job in the higher partition wants the only GPU.
slurm=(--slurm-status-command squeue --slurm-keep-successful-logs
	--slurm-init-seconds-before-status-checks 5 --latency-wait 10)
run slurm --profile workflow/profiles/slurm "${slurm[@]}" _trajectories > "$tmp/slurm.log" 2>&1 &
snakemake=$!
urgent=
while kill -0 "$snakemake" 2> /dev/null; do
	if [ -z "$urgent" ] && grep -qs "  epoch " "$tmp/slurm/logs/try/experiments/E5/$preempted-0.log"; then
		urgent=$(sbatch --parsable --partition=urgent --gpus=1 --time=1 --output=/dev/null --wrap="sleep 5")
	fi
	# Slurm looks at limits every half minute, and calls what ended in between a TIMEOUT, finished or
	# not: only the first job of darts is to meet its limit.
	for job in $(queue JobID:8,State:12,TimeLimit:8 | grep "_$limited " |
		sed -nE '2,$s/^[^ ]+ ([0-9]+) (PENDING|RUNNING) 1:00$/\1/p'); do
		scontrol update "JobId=$job" TimeLimit=30 || true # or it has just ended
	done
	sleep 1
done
wait "$snakemake" || { cat "$tmp/slurm.log"; exit 1; }
# The same profile in the other way to name it, for the rule with resources of its own.
run slurm --workflow-profile profiles/slurm "${slurm[@]}" results/try/experiments/E5/tables/searches.parquet \
	> "$tmp/tables.log" 2>&1 || { cat "$tmp/tables.log"; exit 1; }

# 5. What was seen.
failed=0
check() { # what has to hold, a command that says whether
	if "${@:2}"; then echo "ok      $1"; else echo "FAILED  $1"; failed=1; fi
}
states() { queue State | sed -n "s/^rule__search_E5_wildcards_$1 //p" | xargs; }
restarts() { queue RestartCnt | sed -n "s/^rule__search_E5_wildcards_$1 //p" | xargs; }
resumes() { # where SIGTERM stopped it is where it went on, each time
	local said stopped resumed
	said=$(cat "$tmp/slurm/.snakemake/slurm_logs/rule__search_E5/$1"/*.log)
	stopped=$(grep -oP "stopped by SIGTERM after epoch \K\d+" <<< "$said" | sort -nu | xargs)
	resumed=$(grep -oP "resumed after epoch \K\d+" <<< "$said" | sort -nu | xargs)
	echo "        $1: stopped after epoch ${stopped:-?}, resumed after epoch ${resumed:-?}"
	[ -n "$stopped" ] && [ "$stopped" = "$resumed" ]
}
hashes() { (cd "$tmp/$1/results/try" && sha256sum datasets/*/*.parquet experiments/*/trajectories/*/*.parquet); }

queue JobID:6,State:11,MinMemory:10,TimeLimit:10,NumCPUs:5,tres-per-job:14,RestartCnt:4
check "the preempted search was requeued" [ "$(restarts "$preempted")" = 1 ]
check "and resumed" resumes "$preempted"
check "the other one ran into its limit" grep -qx "TIMEOUT.* COMPLETED" <<< "$(states "$limited")"
check "and resumed" resumes "$limited"
# The 30 minutes of darts are those of its second job, given above.
check "every job asked for what its rule says" diff <(
	queue MinMemory:10,TimeLimit:10,NumCPUs:5,tres-per-job:14 | sort -u
) <(
	sort <<-JOBS
		rule__tables_wildcards_E5 4000M 30:00 1 N/A
		rule__dataset_wildcards_digits 2000M 30:00 1 N/A
		rule__search_E5_wildcards_$limited 1500M 1:00 1 N/A
		rule__search_E5_wildcards_$limited 1500M 30:00 1 N/A
		rule__search_E5_wildcards_$preempted 1200M 1:00:00 1 gres:gpu:1
		rule__search_E5_wildcards_E5_snas_bi_digits 1500M 1:00:00 2 N/A
	JOBS
)
check "no device stands behind the GPU, and auto took the CPU" \
	grep -q '"device": "cpu"' "$tmp/slurm/results/try/experiments/E5/trajectories/${preempted}_s0/manifest.json"
check "every Parquet file is the one that came out without Slurm" diff <(hashes plain) <(hashes slurm)
check "and is what its manifest says" wiring verify "$tmp"/slurm/results/try/experiments/E5/trajectories/*
exit "$failed"
