"""Output of containers in CloudWatch Logs: complete, in order, whatever it holds."""

from __future__ import annotations

from tests.system.tasks.bench import GROUP, Bench, script

SECONDS, LINES, WIDTH = 4, 10_000, 100
MB = """
    second=0
    while [ $second -lt {seconds} ]; do
        busybox awk -v from=$((second * {lines})) 'BEGIN {{
            pad = sprintf("%{pad}s", ""); for (i = 0; i < {lines}; i++) printf "%08d%s\\n", from + i, pad }}'
        second=$((second + 1)); sleep 1
    done
"""


def test_a_megabyte_a_second_arrives_complete_and_in_order(bench: Bench) -> None:
    text = MB.format(seconds=SECONDS, lines=LINES, pad=WIDTH - 9)
    task = bench.run(script(text), cpu="512", memory="1024", seconds=120)
    events = bench.events(task)
    assert [int(each["message"]) for each in events] == list(range(SECONDS * LINES))
    assert {len(each["message"]) for each in events} == {WIDTH - 1}
    moments = [each["timestamp"] for each in events]
    assert moments == sorted(moments)
    created, ended = task["createdAt"].timestamp() * 1000, task["executionStoppedAt"].timestamp() * 1000
    assert created <= moments[0] <= moments[-1] <= ended + 1000


def test_lines_that_are_no_ordinary_lines(bench: Bench) -> None:
    lines = """
        printf 'a\\377b\\n'; printf 'gr\\303\\274n\\n'; printf '\\n'; printf 'dos\\r\\n'; printf 'tab\\there\\n'
        head -c 300000 /dev/zero | busybox tr '\\0' x; echo end
        printf 'no newline'
    """
    found = bench.lines(bench.run(script(lines)))
    assert found[:4] == ["a\ufffdb", "grün", "dos", "tab\there"]
    assert found[-1] == "no newline"
    assert "".join(found[4:-1]) == "x" * 300_000 + "end"
    assert all(len(line.encode()) <= 262_144 for line in found)
    assert len(found) == 7, "a line of more than 256 KB comes in two"


def test_both_streams_and_every_container_are_told(bench: Bench) -> None:
    after = [{"containerName": "beside", "condition": "COMPLETE"}]
    task = bench.run(
        script("echo out; echo err >&2", dependsOn=after), script("echo beside", "beside", essential=False)
    )
    assert sorted(bench.lines(task)) == ["err", "out"]
    assert bench.lines(task, "beside") == ["beside"]
    streams = bench.client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="t/beside/")
    task_id = str(task["taskArn"]).rsplit("/", 1)[1]
    assert f"t/beside/{task_id}" in [each["logStreamName"] for each in streams["logStreams"]]
