"""A board without processes, for tests of those who use one."""


class Memory:
    """A board in the memory of one process."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def put(self, key: str, text: str) -> None:
        self.texts[key] = text

    def under(self, key: str) -> dict[str, str]:
        prefix = key + "/"
        texts = dict(self.texts)
        return {name[len(prefix) :]: texts[name] for name in texts if name.startswith(prefix)}
