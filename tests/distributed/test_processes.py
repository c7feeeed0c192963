"""What processes agree on; they are threads here."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from board import Memory

from pptp_jax.distributed.processes import Processes


def together(count: int, work: Callable[[Processes], object]) -> list[object]:
    board = Memory()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda i: work(Processes(count, i, board)), range(count)))


def test_every_item_is_one_processs_own() -> None:
    shares = [Processes(3, index, Memory()).share(range(8)) for index in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]


def test_process_0_finds_and_all_know() -> None:
    asked: list[int] = []

    def work(processes: Processes) -> object:
        def find() -> object:
            asked.append(processes.index)
            return {"groups": [(0, 1), (2,)]}

        return processes.agree(find), processes.agree(lambda: len(asked))

    assert together(3, work) == [({"groups": [[0, 1], [2]]}, 1)] * 3
    assert asked == [0]


def test_none_goes_on_before_all_have_come() -> None:
    come: list[int] = []

    def work(processes: Processes) -> int:
        seen = 0
        for _ in range(3):
            come.append(processes.index)
            processes.wait()
            seen = len(come)
            processes.wait()
        return seen

    assert together(3, work) == [9, 9, 9]


def test_a_directory_that_is_not_shared_is_refused(tmp_path: Path) -> None:
    def work(processes: Processes) -> object:
        try:
            return processes.check_shared(tmp_path / "a" / str(min(processes.index, kinds)))
        except ValueError as error:
            processes.wait()  # so that process 0 ends, too
            return str(error)

    kinds = 0
    assert together(2, work) == [None, None]
    assert list((tmp_path / "a" / "0").iterdir()) == []
    kinds = 1
    [first, second] = together(2, work)
    assert first is None
    assert second == (
        f"process 1 does not see what process 0 writes into {tmp_path / 'a' / '1'}: the run "
        f"directory must be on a file system that all 2 processes share"
    )


def test_who_is_alone_waits_for_nobody(tmp_path: Path) -> None:
    alone = Processes()
    alone.wait()
    alone.check_shared(tmp_path / "made later")
    assert not any(tmp_path.iterdir())
    with pytest.raises(TypeError, match="JSON"):
        alone.agree(lambda: object())
