"""The rules that are played: their names, and the files that they come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nca.errors import InputError
from nca.rule import Rule
from nca.rulefile import load_rule, rule_name
from nca.viewer.files.watch import Watcher
from nca.viewer.speed import Clock

MAX_RULES = 16


@dataclass(frozen=True)
class NamedRule:
    """A rule and what people call it; None: its file is not there yet."""

    name: str
    rule: Rule | None


def load_rules(paths: Sequence[Path], *, wait: bool = False) -> list[NamedRule]:
    """Read rule files; those that are not there yet may be waited for.

    Raises:
        InputError: one cannot be used.
    """
    return [
        NamedRule(rule_name(path), None if wait and not path.exists() else load_rule(path).rule)
        for path in paths
    ]


class RuleFiles:
    """The files of the rules that share a grid, watched for changes.

    Args:
        rules: those of the start.
        paths: their files.
        watch: look at the files while they are played.
        clock: says when it is time to look.

    Attributes:
        names: of the rules, by their numbers.
        awaited: numbers of the rules whose file is not there yet.
    """

    def __init__(
        self, rules: Sequence[NamedRule], paths: Sequence[Path], *, watch: bool, clock: Clock
    ) -> None:
        self.names = [rule.name for rule in rules]
        self.awaited = {number for number, rule in enumerate(rules) if rule.rule is None}
        self._watcher = Watcher(paths, clock) if watch else None
        self._unreadable: dict[int, str] = {}

    @property
    def trouble(self) -> str:
        """Which file cannot be read, and why, or ""."""
        return next(iter(self._unreadable.values()), "")

    def load(self, path: Path) -> Rule:
        """Read one more rule; :meth:`add` makes it one of these.

        Raises:
            InputError: the file cannot be used, or there are as many rules as there can be.
        """
        rule = load_rule(path).rule
        if len(self.names) >= MAX_RULES:
            raise InputError(f"at most {MAX_RULES} rules share one grid")
        return rule

    def add(self, path: Path) -> None:
        """Take in a rule with the next number."""
        self.names.append(rule_name(path))
        if self._watcher is not None:
            self._watcher.add(path)

    def changes(self) -> Iterator[tuple[int, Rule]]:
        """Numbers and rules of the files that have changed since the last call."""
        for change in self._watcher.poll() if self._watcher else []:
            if change.rule is None:
                name = self.names[change.number]
                text = f"{name}: kept the last good rule; {change.trouble}"
                self._unreadable[change.number] = text
            else:
                self._unreadable.pop(change.number, None)
                yield change.number, change.rule
