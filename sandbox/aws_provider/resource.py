"""The interpreter: create, read, update and delete of any type of the table."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import jmespath  # type: ignore[import-untyped]

from sandbox.aws_provider import requests, shapes, state, waits
from sandbox.aws_provider.diff import changes, effective
from sandbox.aws_provider.errors import AwsError, PartialError, ProviderError, WaitError
from sandbox.aws_provider.session import Session, operation_model
from sandbox.aws_provider.table import Call, ResourceType
from sandbox.aws_provider.values import at, without_defaults

_SERIAL: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class Resource:
    """One resource in one request. Types that need code subclass it (`hooks/`) and override the marked methods."""

    def __init__(
        self,
        spec: ResourceType,
        session: Session,
        directory: str | None = None,
        alive: Callable[[], bool] | None = None,
    ) -> None:
        self.spec = spec
        self.session = session
        self.directory = directory
        self.alive = alive or (lambda: True)
        self.id = ""
        self.inputs: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.found: dict[str, Any] = {}

    # --- what hooks override -------------------------------------------------------------------------------------

    def adjust(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call, as a type with peculiarities sends them."""
        return arguments

    def answer(self, found: dict[str, Any]) -> dict[str, Any]:
        """The read answer, as a type with peculiarities understands it."""
        return found

    def before_delete(self) -> None:
        """What has to go before the resource can."""

    # --- operations ----------------------------------------------------------------------------------------------

    def create(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Creates it; returns id and state. Raises PartialError once it exists, ProviderError before."""
        self.inputs = effective(self.spec, inputs)
        calls = [call for call in self.spec.create if self._wanted(call)]
        with self._turn():
            for call in calls[:1]:
                self.found = self._run(call) or {}
            self.id = self._identifier()
            try:
                for call in calls[1:]:
                    self.found |= self._run(call) or {}
                self._await_ready()
                return self.id, self._present()
            except ProviderError as error:
                raise PartialError(self.id, dict(self.inputs), dict(inputs), str(error)) from error

    def read(
        self, identifier: str, inputs: Mapping[str, Any], old: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Reads it; returns id, state and inputs, None when it is gone. Without inputs and state it is an import."""
        self.id = identifier
        self.inputs = without_defaults(inputs)
        self.state = dict(old)
        if not inputs and not old:
            self.inputs = self._parsed(identifier, strict=True)
            self.inputs |= {name: value for name, value in self.spec.defaults.items() if "." not in name and value}
        found = self.fetch()
        if found is None:
            return None
        full = state.refreshed(self.spec, old, self._state(found))
        if not inputs and not old:
            full = self.inputs | full
            self.id = self._identifier()
        defaults = dict(self.session.configuration.default_tags)
        refreshed = state.refreshed_inputs(self.spec, inputs, full, defaults)
        if refreshed.get("tags"):
            full["tags"] = refreshed["tags"]
        return self.id, full, refreshed

    def update(
        self, identifier: str, old: Mapping[str, Any], new: Mapping[str, Any], previous: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Changes it in place; returns the state. As in the real plugin a failure leaves the *planned* state."""
        self.id = identifier
        self.inputs = effective(self.spec, new)
        self.state = dict(previous)
        changed = {change.top for change in changes(self.spec, old, new)}
        before = effective(self.spec, old)
        try:
            with self._turn():
                called = [self._update_call(call, changed, before) for call in self.spec.update]
                if "tagsAll" in changed:
                    self._retag(before.get("tagsAll") or {}, self.inputs.get("tagsAll") or {})
                if any(called):
                    self._await_ready()
                return self._present()
        except ProviderError as error:
            planned = {**previous, **self.inputs}
            raise PartialError(identifier, planned, dict(new), str(error)) from error

    def delete(self, identifier: str, inputs: Mapping[str, Any], old: Mapping[str, Any]) -> None:
        """Deletes it; that it is already gone is success, anything else an error."""
        self.id = identifier
        self.inputs = effective(self.spec, inputs or {name: old[name] for name in self.spec.inputs if name in old})
        self.state = dict(old)
        calls = [call for call in self.spec.delete if self._wanted(call)]
        if not calls:
            return
        with self._turn():
            try:
                self.before_delete()
                for call in calls:
                    self._run(call)
            except AwsError as error:
                if not error.matches(self.spec.not_found):
                    raise
                return
        if self.spec.wait_gone:
            waits.until(
                lambda: self.fetch() is None, self.spec.wait_gone, "it was deleted and is still there", self.alive
            )

    def fetch(self) -> dict[str, Any] | None:
        """AWS's camelCase answer, None if the resource is not there."""
        self.found = {}
        for index, call in enumerate(self.spec.read):
            try:
                answer = self._run(call)
            except AwsError as error:
                if error.matches(call.absent):
                    continue
                if error.matches(self.spec.not_found):
                    return None
                raise
            if answer is None and index == 0:
                return None
            self.found |= answer or {}
        if self.spec.gone and jmespath.search(self.spec.gone, self.found):
            return None
        return self.answer(self.found)

    # --- calls ---------------------------------------------------------------------------------------------------

    def call(self, operation: str, arguments: Mapping[str, Any], pages: bool = False) -> dict[str, Any]:
        """One AWS call in the resource's region; the answer in AWS's own names."""
        return self.session.call(self.spec.client, operation, arguments, self._region(), pages)

    def look(self, name: str) -> Any:
        """A dotted name in the scope of a call: id, inputs, state, what was read, parts of the id, surroundings."""
        head = name.split(".", 1)[0]
        if head == "id":
            return self.id
        for scope in (self.inputs, self.state, self.found):
            if scope.get(head) is not None:
                return at(scope, name)
        parsed = self._parsed(self.id) if self.id else {}
        if head in parsed:
            return parsed[head]
        surroundings: dict[str, Callable[[], str]] = {
            "region": self._region,
            "account": lambda: self.session.account,
            "partition": lambda: self.session.partition(self._region()),
            "dnsSuffix": lambda: self.session.dns_suffix(self._region()),
        }
        return surroundings[head]() if head in surroundings else None

    def _run(self, call: Call, inputs: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Runs a call; None where its `select` finds nothing."""
        model = operation_model(self.spec.client, call.call)
        sending = self.inputs if inputs is None else inputs
        if call in self.spec.read or call in self.spec.delete or call.attributes:
            sending = {}
        arguments = requests.arguments(self.spec, call, model, sending, self.look)
        arguments = self.adjust(call, arguments)
        answer = shapes.incoming(self.call(call.call, arguments, call.everything), model.output_shape)
        _raise_partial_batch(call.call, answer)
        if call.parse is not None and isinstance(answer.get(call.parse), str):
            answer[call.parse] = json.loads(answer[call.parse])
        if call.select is None:
            return dict(answer)
        selected = jmespath.search(requests.query(call.select, self.look), answer)
        return dict(selected) if isinstance(selected, Mapping) else ({} if selected is True else None)

    def _update_call(self, call: Call, changed: set[str], before: Mapping[str, Any]) -> bool:
        causes = set(call.changed) or changed - {"tags", "tagsAll", *self.spec.local}
        if not causes & changed or not self._wanted(call):
            return False
        if call.attributes:
            names = {name for name in self.spec.attributes if name in changed}
            self.send_attributes(call, {name: self.inputs.get(name) for name in names})
        else:
            gone = {name: call.clear[name] for name in call.clear if name in changed and name not in self.inputs}
            self._run(call, self.inputs | gone)
        return True

    def send_attributes(self, call: Call, values: Mapping[str, Any]) -> None:
        """Sets attributes that AWS takes as texts; None clears."""
        texts = {self.spec.attributes[name].split(" ")[1]: _attribute_text(value) for name, value in values.items()}
        fixed = requests.fill(call.arguments, self.look)
        if call.attributes == "all":
            if texts:
                self.call(call.call, {**fixed, "Attributes": texts})
            return
        for name, text in texts.items():
            self.call(call.call, {**fixed, "AttributeName": name, "AttributeValue": text})

    def _retag(self, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        tagging = self.spec.tagging
        if tagging is None:
            return
        removed = [key for key in old if key not in new]
        if removed and tagging.untag is not None:
            model = operation_model(self.spec.client, tagging.untag.call)
            keys = next(name for name in model.input_shape.members if name.lower() == "tagkeys")
            arguments = requests.fill(tagging.untag.arguments, self.look)
            self.call(tagging.untag.call, self.adjust(tagging.untag, {**arguments, keys: removed}))
        added = new if tagging.untag is None else {key: text for key, text in new.items() if old.get(key) != text}
        if added or tagging.untag is None:
            model = operation_model(self.spec.client, tagging.tag.call)
            scope = {"tagsAll": dict(added)}
            arguments = requests.arguments(self.spec, tagging.tag, model, scope, self.look)
            self.call(tagging.tag.call, self.adjust(tagging.tag, arguments))

    # --- state ---------------------------------------------------------------------------------------------------

    def _present(self) -> dict[str, Any]:
        """The state after create or update: the inputs as given, everything else as AWS has it."""
        self.state = {}
        found = self.fetch()
        if found is None:
            raise WaitError("AWS made the resource and then did not find it")
        seen = self._state(found, self.inputs.get("tagsAll"))
        names = dict.fromkeys((*self.inputs, *seen))
        return {name: state.settled(self.spec, name, self.inputs.get(name), seen.get(name)) for name in names}

    def _state(self, found: dict[str, Any], tags: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Everything the type says of itself; `tags` are those just set, None: to be read."""
        seen = state.properties(self.spec, found, self.look)
        if self.spec.regional:
            seen["region"] = self._region()
        self.state = self.state | seen
        for name, template in self.spec.templates.items():
            seen[name] = self.state[name] = requests.fill(template, self.look)
        if self.spec.tagged and "tagsAll" in self.spec.outputs:
            seen["tagsAll"] = self._tags(found) if tags is None else dict(tags)
        return seen

    def _tags(self, found: Mapping[str, Any]) -> dict[str, str]:
        raw = found.get("tags") or found.get("tagList") or found.get("tagSet")
        if self.spec.tagging is not None and self.spec.tagging.read is not None:
            call = self.spec.tagging.read
            try:
                model = operation_model(self.spec.client, call.call)
                arguments = requests.fill(call.arguments, self.look)
                answer = shapes.incoming(self.call(call.call, self.adjust(call, arguments)), model.output_shape)
            except AwsError as error:
                if not error.matches(call.absent):
                    raise
                answer = {}
            folded = {name.lower(): value for name, value in answer.items()}
            raw = next((folded[name] for name in ("tags", "taglist", "tagset") if name in folded), None)
        tags = shapes.pairs_to_map(raw or {})
        return {key: text for key, text in tags.items() if not key.startswith("aws:")}

    def _identifier(self) -> str:
        if self.spec.id.startswith("="):
            scope = {**self.found, **self.inputs}
            return str(jmespath.search(self.spec.id[1:], scope))
        identifier = requests.fill(self.spec.id, self.look)
        if not identifier:
            raise ProviderError(f"AWS's answer has no {self.spec.id} to make an id from")
        return str(identifier)

    def _parsed(self, identifier: str, strict: bool = False) -> dict[str, str]:
        pattern = self.spec.import_pattern or _pattern(self.spec.id)
        match = re.fullmatch(pattern, identifier)
        if match is None:
            if strict:
                raise ProviderError(f"{identifier!r} is not an id of {self.spec.token}: it must match {pattern}")
            return {}
        return {name: text for name, text in match.groupdict().items() if text is not None}

    def _wanted(self, call: Call) -> bool:
        return call.condition is None or bool(jmespath.search(call.condition, self.inputs))

    def _region(self) -> str:
        return str(self.inputs.get("region") or self.state.get("region") or self.session.region)

    def _turn(self) -> Any:
        return _SERIAL[self.spec.token] if self.spec.serial else nullcontext()

    def _await_ready(self) -> None:
        wait = self.spec.wait
        if wait is not None:
            waits.until_status(wait, self.fetch, self.alive)


def _pattern(template: str) -> str:
    """A regular expression for ids made by a template: `{role}:{name}` → `(?P<role>[^:]+):(?P<name>.+)`."""
    parts = re.split(r"[{$](\w+)}?", template.removeprefix("="))
    pattern = re.escape(parts[0])
    for index in range(1, len(parts), 2):
        following = parts[index + 1]
        body = f"[^{re.escape(following[0])}]+" if following else ".+"
        pattern += f"(?P<{parts[index]}>{body}){re.escape(following)}"
    return pattern


def _attribute_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raise_partial_batch(operation: str, answer: Mapping[str, Any]) -> None:
    """Batch calls answer 200 with the failures inside."""
    for entry in answer.get("failedEntries") or []:
        raise ProviderError(f"{operation}: {entry.get('errorCode')}: {entry.get('errorMessage')}")
