"""The displayed rules: their names and files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nca.errors import InputError
from nca.rule import Rule
from nca.rulefile import load_rule, rule_name
from nca.viewer.files.watch import Watcher
from nca.viewer.speed import Clock

MAX_RULES = 16


@dataclass(frozen=True)
class NamedRule:
    """A rule and its displayed name; the rule is None if its file does not exist yet.

    ``states`` are those of :attr:`nca.rulefile.RuleFile.states`.
    """

    name: str
    rule: Rule | None
    states: Tensor | None = None


def load_rules(paths: Sequence[Path], *, wait: bool = False) -> list[NamedRule]:
    """Read rule files; optionally wait for those that do not exist yet.

    Raises:
        InputError: a file cannot be used.
    """
    return [
        NamedRule(rule_name(path), None) if wait and not path.exists() else _load(path)
        for path in paths
    ]


def _load(path: Path) -> NamedRule:
    file = load_rule(path)
    return NamedRule(rule_name(path), file.rule, file.states)


class RuleFiles:
    """Files of the rules on a grid, watched for changes.

    Args:
        rules: the initial rules.
        paths: their files.
        watch: watch the files.
        clock: decides when to check them.

    Attributes:
        names: names of the rules, in the order of their numbers.
        states: the numbered states of their cells, in the same order.
        awaited: numbers of the rules whose file does not exist yet.
    """

    def __init__(
        self, rules: Sequence[NamedRule], paths: Sequence[Path], *, watch: bool, clock: Clock
    ) -> None:
        self.names = [rule.name for rule in rules]
        self.states = [rule.states for rule in rules]
        self.awaited = {number for number, rule in enumerate(rules) if rule.rule is None}
        self._watcher = Watcher(paths, clock) if watch else None
        self._unreadable: dict[int, str] = {}

    @property
    def trouble(self) -> str:
        """A rule whose file cannot be read, with the reason; otherwise ""."""
        return next(iter(self._unreadable.values()), "")

    def load(self, path: Path) -> NamedRule:
        """Read another rule; :meth:`add` then adds it.

        Raises:
            InputError: the file cannot be used, or there are too many rules.
        """
        rule = _load(path)
        if len(self.names) >= MAX_RULES:
            raise InputError(f"at most {MAX_RULES} rules share one grid")
        return rule

    def add(self, rule: NamedRule, path: Path) -> None:
        """Add a rule with the next number."""
        self.names.append(rule.name)
        self.states.append(rule.states)
        if self._watcher is not None:
            self._watcher.add(path)

    def changes(self) -> Iterator[tuple[int, Rule]]:
        """Numbers and rules of files that changed since the last call."""
        for change in self._watcher.poll() if self._watcher else []:
            if change.rule is None:
                name = self.names[change.number]
                text = f"{name}: kept the last good rule; {change.trouble}"
                self._unreadable[change.number] = text
            else:
                self._unreadable.pop(change.number, None)
                self.states[change.number] = change.states
                yield change.number, change.rule
