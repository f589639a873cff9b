#!/bin/sh
# An afternoon for the pictures, on the system that runs for OPENCLAW_HOME (a copy of test/pictures/home): missions that
# ended well and badly, one that asks, one that tries again, and five minutes of small jobs.
set -e
openclaw=$(dirname "$0")/../../bin/openclaw
mission() { "$openclaw" missions new "$@" >/dev/null; }
"$openclaw" psql -- -qtA -c "select count(add_job('resize_image', jsonb_build_object('id', n), run_at => now() + n * interval '0.25 seconds')) from generate_series(1, 1200) n" >/dev/null
mission morning_brief
mission host_report
mission deploy --title 'Deploy the site to web2' --input '{"host": "web2"}'
mission publish
mission deploy
sleep 40
mission morning_brief --title 'Noon brief'
mission morning_brief --title 'Evening brief' --input '{"ms": 45000}'
