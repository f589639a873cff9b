#!/usr/bin/env bash
# Boots a Debian of its own (debootstrap, systemd-nspawn), installs this checkout there and looks: units, kills, watchdog, a faulty
# configuration, alerts, timers, upgrades, uninstall. As root; a quarter of an hour; the packages' mirror is needed for the first run.
#
#   test/systemd/boot.sh [folder]     keeps the base system in the folder (/var/tmp/openclaw-boot) for the next time
set -u
code=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-/var/tmp/openclaw-boot}
base=$folder/base machine=$folder/machine
failed=0
cd /
for program in debootstrap systemd-nspawn nsenter; do
  command -v $program >/dev/null || { echo "needs $program: apt-get install debootstrap systemd-container util-linux"; exit 78; }
done
mkdir -p "$folder"

if [ ! -e "$base/.ready" ]; then
  echo "# a base system in $base"
  rm -rf "$base"
  debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,curl,ca-certificates,sudo,procps bookworm "$base" >"$folder/debootstrap.log" 2>&1 ||
    { tail -5 "$folder/debootstrap.log"; exit 1; }
  # The machine has no network: what `openclaw install` asks apt for is in apt's own cache.
  chroot "$base" sh -c 'rm -f /etc/apt/apt.conf.d/docker-clean; apt-get update -q && apt-get install -q -y --download-only --no-install-recommends postgresql redis-server logrotate git openssh-client curl' >"$folder/apt.log" 2>&1 ||
    { tail -5 "$folder/apt.log"; exit 1; }
  touch "$base/.ready"
fi
rm -rf "$machine"
cp -a --reflink=auto "$base" "$machine"
mkdir -p "$machine/src"
# The checkout as it is now: what is edited meanwhile is another release.
rm -rf "$folder/code"
mkdir "$folder/code"
(cd "$code" && cp -a agents bin cli config crontab docs lib plans sql systemd tasks tui ./*.md ./*.json LICENSE "$folder/code/" &&
  { cp -al node_modules "$folder/code/" 2>/dev/null || cp -a node_modules "$folder/code/"; })
# A container shares the host's kernel, whose log and time are not its own to set.
systemd-nspawn --quiet --boot --register=no --keep-unit --private-network --machine=openclaw-boot --directory="$machine" --bind-ro="$folder/code:/src" \
  --capability=CAP_SYS_ADMIN >"$folder/console.log" 2>&1 &
nspawn=$!
trap 'kill $nspawn 2>/dev/null; wait $nspawn 2>/dev/null' EXIT
for _ in $(seq 120); do
  leader=$(pgrep -P $nspawn -x systemd | head -1)
  [ -z "$leader" ] && leader=$(pgrep -P $nspawn | head -1)
  [ -n "$leader" ] && nsenter -t "$leader" -m -p -r -w systemctl is-system-running 2>/dev/null | grep -Eq 'running|degraded' && break
  kill -0 $nspawn 2>/dev/null || { echo "systemd-nspawn ended:"; cat "$folder/console.log"; exit 1; }
  sleep 1
done
inside() { cd /; nsenter -t "$leader" -m -u -i -n -p -r -w env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }
sh_in() { inside sh -c "$1"; }
state() { inside systemctl is-active "$1" 2>/dev/null; }
show() { inside systemctl show -p "$2" --value "$1"; }
log() { inside journalctl -u "$1" --no-pager -o cat; }
check() { # title, shell condition on the host, seconds
  local end=$((SECONDS + ${3:-1}))
  until eval "$2"; do
    [ $SECONDS -lt $end ] || { echo "not ok - $1"; failed=$((failed + 1)); return 1; }
    sleep 1
  done
  echo "ok - $1"
}
echo "# $(inside systemctl --version | head -1), $(state default.target)"
services="openclaw openclaw-dashboard openclaw-atlas openclaw-scout openclaw-mission-worker openclaw-heartbeat-bridge openclaw-event-reactor openclaw-learning"

echo "# install"
# Telegram is a file server that notes what it is sent: enough for the second path, which is curl.
inside systemd-run --quiet --unit=fake-telegram /src/bin/openclaw-node -e '
  require("http").createServer((q, s) => { let b = ""; q.on("data", (c) => (b += c)).on("end", () => {
    if (q.url.endsWith("/sendMessage")) require("fs").appendFileSync("/root/telegram.log", decodeURIComponent(b.replace(/\+/g, " ")) + "\n");
    s.setHeader("content-type", "application/json");
    const m = q.url.split("/").pop().split("?")[0];
    const r = m === "getMe" ? { id: 123456, is_bot: true, username: "boot_bot" } : m === "getUpdates" ? [] : m === "getWebhookInfo" ? { url: "", pending_update_count: 0 } : m === "sendMessage" ? { message_id: 1, date: 1, chat: { id: 1 } } : true;
    setTimeout(() => s.end(JSON.stringify({ ok: true, result: r })), m === "getUpdates" ? 5000 : 0);
  }); }).listen(8099, "127.0.0.1")'
sh_in 'cd /src && bin/openclaw install' >"$folder/install.log" 2>&1
check "install ended well" "[ $? -eq 0 ]" || tail -20 "$folder/install.log"
sh_in 'cd /src && bin/openclaw install' >"$folder/install2.log" 2>&1
check "a second install changes nothing" "grep -q 'nothing to do' '$folder/install2.log'" || tail -5 "$folder/install2.log"
printf 'TELEGRAM_BOT_TOKEN=123456:bootbootbootbootbootbootbootboot\nTELEGRAM_BASE_URL=http://127.0.0.1:8099\nTELEGRAM_ALLOWED_USER_IDS=42\n' |
  inside sh -c 'cat >>/opt/openclaw/config/.env'
inside systemctl restart openclaw.target
for unit in $services; do check "$unit is active" "[ \"\$(state $unit)\" = active ]" 90 || log $unit | tail -5; done
check "openclaw.target is active" "[ \"\$(state openclaw.target)\" = active ]" 10
check "both timers are active" "[ \"\$(state openclaw-health.timer)\$(state openclaw-backup.timer)\" = activeactive ]"
sleep 20
# Shared pages divided among those that share them.
echo "# memory of the units: $(sh_in 'for p in $(pgrep -u milkbot); do sed -n "s/^Pss: *//p" /proc/$p/smaps_rollup; done' | awk '{ s += $1 } END { printf "%.0f MB", s / 1e3 }')"

echo "# kills"
for unit in $services; do
  pid=$(show $unit MainPID)
  inside kill -9 "$pid"
  check "$unit is back after SIGKILL" "[ \"\$(state $unit)\" = active ] && [ \"\$(show $unit MainPID)\" != $pid ]" 60 || log $unit | tail -5
done
check "the target is still active" "[ \"\$(state openclaw.target)\" = active ]"

echo "# Redis emptied"
redis() { sh_in 'REDISCLI_AUTH=$(sed -n "s#^REDIS_URL=.*://[^:]*:\(.*\)@.*#\1#p" /opt/openclaw/config/.env) redis-cli '"$1"; }
redis flushall >/dev/null
check "the copies in Redis are back within 5 s" "redis \"keys 'agent:*:status'\" | grep -q atlas && redis \"keys 'mission:states*'\" | grep -q since" 5

echo "# watchdog"
pid=$(show openclaw-learning MainPID)
inside kill -STOP "$pid"
check "a stopped process is ended by the watchdog and started again" "[ \"\$(show openclaw-learning MainPID)\" != $pid ] && [ \"\$(state openclaw-learning)\" = active ]" 180
check "the journal says watchdog" "log openclaw-learning | grep -qi 'watchdog timeout'"

echo "# a faulty configuration"
sh_in 'cp -p /opt/openclaw/config/.env /root/env; : >/root/telegram.log; echo OPENCLAW_LOG_LEVEL=deafening >>/opt/openclaw/config/.env'
inside systemctl restart --no-block openclaw-scout
check "the unit has failed with 78" "[ \"\$(show openclaw-scout ExecMainStatus)\" = 78 ] && [ \"\$(state openclaw-scout)\" = failed ]" 60
restarts=$(show openclaw-scout NRestarts)
sleep 12
check "and is not started again" "[ \"\$(show openclaw-scout NRestarts)\" = $restarts ] && [ \"\$(state openclaw-scout)\" = failed ]"
check "curl told Telegram of it" "sh_in 'grep -q \"openclaw-scout.service has failed\" /root/telegram.log'" 30 || log openclaw-alert@openclaw-scout | tail -5
sh_in 'cp -p /root/env /opt/openclaw/config/.env'
inside systemctl reset-failed openclaw-scout
inside systemctl start openclaw-scout
check "mended, it runs" "[ \"\$(state openclaw-scout)\" = active ]" 60

echo "# the timers' own runs"
db() { printf '%s' "$1" | inside su postgres -c 'psql -XAtq -d openclaw'; }
inside systemctl stop openclaw-mission-worker
inside systemctl start openclaw-health.service
check "health ran directly" "[ \"\$(db \"select count(*) from ops_health_runs where trigger = 'timer'\")\" -ge 1 ]" || log openclaw-health | tail -5
inside systemctl start openclaw-health.service
check "a second run at once was not due" "log openclaw-health | grep -qi 'not due\\|younger\\|nothing to do'" || log openclaw-health | tail -3
inside systemctl start openclaw-backup.service
check "backup ran directly, and an archive has its name" "sh_in 'ls /opt/openclaw/backups/openclaw_backup_*.tar.gz >/dev/null'" || log openclaw-backup | tail -8
sh_in 'openclaw backup drill' >"$folder/drill.log" 2>&1
check "the drill restores it beside the database" "grep -q 'were restored' '$folder/drill.log'" || tail -5 "$folder/drill.log"
inside systemctl start openclaw-mission-worker

echo "# upgrade"
next() { sh_in "rm -rf /root/$1 && mkdir /root/$1 && cd /src && cp -a agents bin cli config crontab docs lib plans sql systemd tasks tui *.md *.json LICENSE /root/$1/ && ln -s /src/node_modules /root/$1/node_modules"; }
release() { sh_in 'readlink /opt/openclaw/app'; }
first=$(release)
next good
sh_in 'echo >>/root/good/README.md; cd /root/good && bin/openclaw upgrade --yes' >"$folder/upgrade.log" 2>&1
check "upgraded" "grep -q 'upgraded to' '$folder/upgrade.log' && [ \"$(release)\" != \"$first\" ]" || tail -8 "$folder/upgrade.log"
second=$(release)
next sick
sh_in 'sed -i "1i throw new Error(\"sick\");" /root/sick/cli/worker.ts; cd /root/sick && bin/openclaw upgrade --yes --no-backup' >"$folder/rollback.log" 2>&1
check "a release that does not become well goes back by itself" "grep -q 'rolled back to' '$folder/rollback.log' && [ \"$(release)\" = \"$second\" ]" || tail -8 "$folder/rollback.log"
check "and the old one runs" "[ \"\$(state openclaw-mission-worker)\" = active ]" 60
next torn
pid=$(show openclaw-mission-worker MainPID)
sh_in 'printf "create table half (id int);\nselect 1 / 0;\n" >/root/torn/sql/migrations/990.do.torn.sql; cd /root/torn && bin/openclaw upgrade --yes --no-backup' >"$folder/torn.log" 2>&1
check "a failed migration leaves the old one running" "[ \"$(release)\" = \"$second\" ] && [ \"\$(show openclaw-mission-worker MainPID)\" = $pid ] && [ -z \"\$(db \"select to_regclass('half')\")\" ]" || tail -8 "$folder/torn.log"

echo "# uninstall"
sh_in 'cd /src && bin/openclaw uninstall --purge opencla --yes' >"$folder/uninstall.log" 2>&1
check "another name purges nothing" "[ \"\$(state openclaw-scout)\" = active ] && grep -q E_PURGE_NAME '$folder/uninstall.log'" || tail -5 "$folder/uninstall.log"
sh_in 'cd /src && bin/openclaw uninstall --yes' >"$folder/uninstall.log" 2>&1
check "uninstall takes units and code, and keeps the data" "[ \"\$(state openclaw-scout)\" != active ] && sh_in '! test -e /opt/openclaw/app && test -s /opt/openclaw/config/.env && ls /opt/openclaw/backups/*.tar.gz >/dev/null' && [ \"\$(db 'select count(*) > 0 from ops_health_runs')\" = t ]" || tail -5 "$folder/uninstall.log"
sh_in 'cd /src && bin/openclaw uninstall --purge openclaw --yes' >"$folder/purge.log" 2>&1
check "purged by its name, nothing is left" "sh_in '! test -e /opt/openclaw && ! id milkbot 2>/dev/null' && [ -z \"\$(echo \"select datname from pg_database where datname = 'openclaw'\" | inside su postgres -c 'psql -XAtq')\" ]" || tail -5 "$folder/purge.log"
echo "# $failed failed"
[ $failed -eq 0 ]
