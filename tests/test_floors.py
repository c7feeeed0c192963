"""The house: a floor imports only floors below it, and no module imports in a circle."""

import ast
from pathlib import Path

import pptp_jax

PACKAGE = Path(pptp_jax.__file__).parent
FLOORS = [
    {"validation", "pytree"},
    {"storage", "distributed"},
    {"regions", "metrics", "tasks"},
    {"objectives", "models", "data", "transforms"},
    {"release"},
    {"signals"},
    {"training", "privacy"},
    {"attacks", "robustness"},
    {"fleets"},
    {"evaluation"},
    {"locate"},
    {"report"},
    {"study"},
    {"audit"},
    {"cli"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "pptp_jax" and len(parts) > 1 and parts[1] in FLOOR:
                rooms.add(parts[1])
    return rooms


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            found.append((parts[0], path))
    return found


def test_every_module_has_a_floor() -> None:
    assert {room for room, _ in modules()} == set(FLOOR)


def test_floors_look_down_only() -> None:
    for room, path in modules():
        for other in imported_rooms(path) - {room}:
            assert FLOOR[other] < FLOOR[room], f"{path.name}: {room} imports {other}"


def test_only_one_room_knows_flax_and_two_files_know_orbax() -> None:
    users = {"flax": set(), "orbax": set()}
    for room, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for package, rooms in users.items():
                if any(name.split(".")[0] == package for name in names):
                    rooms.add(room if package == "flax" else path.name)
    assert users == {"flax": {"models"}, "orbax": {"checkpoint.py", "weights.py"}}
