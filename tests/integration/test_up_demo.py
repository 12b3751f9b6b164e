"""`lb up --demo`: what a newcomer sees."""

import stat
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

PROGRAMS = ["demo-b", "redis", "worker", "beat", "web", "edge"]


@pytest.fixture(scope="module")
def product(make_product: Callable[[], Any]) -> Any:
    return make_product().start("--demo").wait_until_running()


def test_it_prints_where_to_go(product: Any) -> None:
    assert f"http://127.0.0.1:{product.port}/" in product.output
    assert f"http://127.0.0.1:{product.admin_port}/admin/" in product.output
    assert "user      admin" in product.output
    assert product.output.count("password  ") == 1


def test_nine_requests_reach_three_backends_three_times_each(product: Any) -> None:
    product.get()
    answers = Counter(product.get() for _ in range(9))
    assert answers == {(200, f"demo-{letter}\n"): 3 for letter in "abc"}


def test_the_admin_answers_with_its_static_files(product: Any) -> None:
    status, page = product.get("/admin/login/", product.admin_port)
    assert status == 200
    assert product.get("/static/unfold/css/styles.css", product.admin_port)[0] == 200
    assert "csrfmiddlewaretoken" in page


def test_only_the_owner_may_look_into_the_data_folder(product: Any) -> None:
    assert stat.S_IMODE(product.folder.stat().st_mode) == 0o700
    files = [path for path in product.folder.rglob("*") if path.is_file()]
    assert {"secret_key", "lbsite.sqlite3", "supervisor.conf"} <= {path.name for path in files}
    own = [path for path in files if not path.is_symlink()]  # not what a package brings for all
    assert [path for path in own if path.stat().st_mode & 0o077] == []


def test_a_second_up_on_the_same_folder_is_refused_in_one_line(product: Any, run_up: Any) -> None:
    result = run_up("--data-dir", str(product.folder), "--port", "1")
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"CommandError: lbsite is already running on {product.folder} (pid {product.process.pid}); "
        "stop it, or give another folder with --data-dir"
    )


@pytest.mark.parametrize(
    ("attribute", "option"), [("port", "--port"), ("admin_port", "--admin-port")]
)
def test_a_busy_port_is_refused_in_one_line(
    product: Any, make_product: Callable[[], Any], run_up: Any, attribute: str, option: str
) -> None:
    second, busy = make_product(), getattr(product, attribute)
    setattr(second, attribute, busy)
    result = run_up(*second.arguments())
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"CommandError: port {busy} on 127.0.0.1 is in use; choose another with {option}"
    )


def test_traffic_and_admin_cannot_share_a_port(
    make_product: Callable[[], Any], run_up: Any
) -> None:
    product = make_product()
    product.admin_port = product.port
    result = run_up(*product.arguments())
    assert result.returncode == 1
    assert result.stderr.strip() == (
        f"CommandError: --port and --admin-port are both {product.port}; change one"
    )


def test_every_program_that_is_killed_runs_again(product: Any) -> None:
    killed = {name: product.program(name) for name in PROGRAMS}
    for process in killed.values():
        process.kill()
    for name, process in killed.items():
        product.wait_for(f"{name} ended (terminated by SIGKILL)")
        product.wait_for(f"{name} runs again (pid ")
        assert product.program(name).pid != process.pid
    product.family()


def test_everything_works_after_all_that(product: Any) -> None:
    product.wait_until(product.serves, "the edge to listen again")
    everybody = {(200, f"demo-{letter}\n") for letter in "abc"}
    product.wait_until(lambda: {product.get() for _ in range(6)} == everybody, "all three")
    product.wait_for_the_admin()
