"""Which keys a configuration has: their meaning, defaults and types, as pydantic models."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from deffe.executors.slurm.script import FLAGS, fault_of, meant_by, option
from deffe.records import Value
from deffe.space.derived import split_declaration
from deffe.values import parse_values


def _number(raw: object) -> object:
    if isinstance(raw, bool):
        raise ValueError("a number is needed here")
    return raw.strip() if isinstance(raw, str) else raw


def _optional_number(raw: object) -> object:
    """Older configurations write -1 or an empty text for "not given"."""
    number = _number(raw)
    return None if number in ("", "-1", -1) else number


def _words(raw: object) -> object:
    return [word for word in re.split(r"[\s,]+", raw) if word] if isinstance(raw, str) else raw


def _names(raw: object) -> object:
    """One name, names separated by commas, or a list of such."""
    items = raw if isinstance(raw, list | tuple) else [raw]
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise ValueError("a name or a list of names is needed here")
    return tuple(name for item in items for part in str(item).split(",") if (name := part.strip()))


def _lower_names(raw: object) -> object:
    return tuple(name.lower() for name in _names(raw))  # type: ignore[attr-defined]


def _one_or_many(raw: object) -> object:
    return [raw] if isinstance(raw, str) and raw else raw or []


def _lower_keys(raw: object) -> object:
    return {str(key).strip().lower(): value for key, value in raw.items()} if isinstance(raw, Mapping) else raw


def _command_line(raw: object) -> object:
    return shlex.join(map(str, raw)) if isinstance(raw, list) else raw


def _value(raw: object) -> Value:
    values = parse_values(raw)
    if len(values) != 1:
        raise ValueError("one value is needed here")
    return values[0]


_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_SCALAR = {"type": ["string", "number", "boolean"]}


def _integer(least: int) -> Any:
    """JSON Schema of a whole number, which older configurations may write as text."""
    return WithJsonSchema({"anyOf": [{"type": "integer", "minimum": least}, {"type": "string", "pattern": r"^-?\d*$"}]})


def _real(schema: dict[str, Any]) -> Any:
    return WithJsonSchema({"anyOf": [{"type": "number", **schema}, {"type": "string", "pattern": "^[-+.0-9eE]*$"}]})


Flag = Annotated[bool, WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["True", "true", "False", "false"]}]})]
Text = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]
Whole = Annotated[int, BeforeValidator(_number), Field(ge=0), _integer(0)]
MaybeWhole = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_optional_number), _integer(-1)]
MaybeCount = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_optional_number), _integer(-1)]
MaybePositive = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, BeforeValidator(_optional_number), _real({"minimum": -1})
]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1), _integer(1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Counts = Annotated[tuple[Annotated[int, BeforeValidator(_number), Field(ge=1)], ...], BeforeValidator(_words)]
CommandLine = Annotated[str, BeforeValidator(_command_line), WithJsonSchema(_TEXTS)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), WithJsonSchema(_TEXTS)]
LowerNames = Annotated[tuple[str, ...], BeforeValidator(_lower_names), WithJsonSchema(_TEXTS)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), WithJsonSchema(_TEXTS)]
Values = Annotated[
    tuple[Value, ...],
    PlainValidator(parse_values),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
MaybeValue = Annotated[Value | None, PlainValidator(_value), WithJsonSchema(_SCALAR)]
NAME_PATTERN = r"""^[^\s,;:"'`$\\][^,;:"'`$\\\n]*$"""
EXPLORATION_PATTERN = r"^([\w][\w.+ -]*)?$"
PATTERNS = {
    NAME_PATTERN: "a name has at least one character, and none of , ; : \" ' ` $ \\ or a line break",
    EXPLORATION_PATTERN: "a name has letters, digits, _ . + - and spaces, and begins with a letter, a digit or _",
}
"""What they allow, in words."""
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Table(BaseModel):
    """Base of every object of a configuration: frozen, unknown keys forbidden, ``null`` the same as not given."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", coerce_numbers_to_str=True, protected_namespaces=(), str_strip_whitespace=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, data: object) -> object:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class Knob(Table):
    """A parameter of the design space."""

    name: Name = Field(description="name in tables, scripts ($name) and expressions")
    values: Values = Field(description="1, [1, 2], '1,2-4' (the end excluded), '100-400-100', 'l[1-3]k'")
    groups: Names | None = Field(
        default=None, description="groups it belongs to; without this key it is in every exploration"
    )
    map: str = Field(
        default="", description="second name in scripts and tables; command_file: the value is a script run first"
    )
    base: MaybeValue = Field(
        default=None, description="value that one-dimensional designs vary around; default: the first"
    )
    onedim_combination: Flag = Field(
        default=False, description="cross it with the other such knobs in one-dimensional designs"
    )
    when: str = Field(default="", description="condition over other knobs under which it has a meaning")
    unit: str = Field(default="", description="unit of the values, for people")
    scale: Literal["linear", "log2", "category"] | None = Field(
        default=None, description="how models see it; default: category for text, log2 for powers of two, else linear"
    )


class _OrName(Table):
    """An object that may be given by a name alone."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


class Cost(_OrName):
    """A cost: measured by evaluating a point, or derived from others by an expression."""

    name: Name = Field(description="name, taken in lower case")
    unit: str = Field(default="", description="unit, for people")
    expression: str = Field(default="", description="derived: computed from knobs and the costs listed before it")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: object) -> object:
        fields = {"name": data} if isinstance(data, str) else data
        if isinstance(fields, dict) and isinstance(fields.get("name"), str):
            return {**fields, "name": fields["name"].strip().lower()}
        return fields


class Objective(_OrName):
    """A cost to make small or large."""

    cost: str = Field(description="name of a cost")
    goal: Literal["min", "max"] = Field(default="min", description="min or max")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: object) -> object:
        if isinstance(data, str):
            cost, mark, goal = data.partition("::")
            data = {"cost": cost, "goal": goal.strip()} if mark else {"cost": cost}
        if isinstance(data, dict) and isinstance(data.get("cost"), str):
            return {**data, "cost": data["cost"].strip().lower()}
        return data


def _objectives(raw: object) -> object:
    return [{"cost": cost, "goal": goal} for cost, goal in raw.items()] if isinstance(raw, dict) else _one_or_many(raw)


def _or_object(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"type": "string"},
        {"type": "object", "additionalProperties": {"enum": ["min", "max"]}},
        {"type": "array", "items": schema.pop("items")},
    ]
    del schema["type"]


def _or_text(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"type": "string"}, {"type": schema.pop("type"), "items": schema.pop("items")}]


Objectives = Annotated[tuple[Objective, ...], BeforeValidator(_objectives), Field(json_schema_extra=_or_object)]


class Section(Table):
    """A section that configures a plugin."""

    pyscript: str = Field(default="", description="the plugin: a built-in name, a Python file, or an installed one")
    arguments: CommandLine = Field(
        default="", description="options of the plugin as on a command line, or a list of words"
    )
    options: Mapping[str, Any] = Field(default_factory=dict, description="options of the plugin")
    output_log: str = Field(default="", description="log file")

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a key, or ``default`` when there is no such key or it is empty."""
        value = getattr(self, name, None)
        return default if value in (None, "", ()) else value


class Feature(_OrName):
    """A model input computed from knobs."""

    name: Name = Field(description="name of the feature; no knob or cost may have it")
    expression: str = Field(min_length=1, description="expression over knobs")
    scale: Literal["linear", "log2"] | None = Field(
        default=None, description="how models see it; default: log2 if positive and spanning a factor of 8, else linear"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: object) -> object:
        if isinstance(data, str):
            name, expression = split_declaration(data)
            return {"name": name, "expression": expression}
        return data


class TransferSource(Table):
    """Results or a learned model of another exploration, to learn from."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["table"]}, {"required": ["checkpoint"]}]})

    table: str = Field(default="", description="CSV of results of the other exploration")
    checkpoint: str = Field(default="", description="folder or .hdf5 file of a model that learned one")
    map: Mapping[str, str] = Field(
        default_factory=dict, description="{knob there: knob here}; knobs of one name need no entry"
    )
    cost: str = Field(default="", description="its cost column, for all costs here; default: that of the same name")
    costs: Annotated[Mapping[str, str], BeforeValidator(_lower_keys)] = Field(
        default_factory=dict, description="{cost here: its cost column}; wins over cost"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> TransferSource:
        if bool(self.table) == bool(self.checkpoint):
            raise ValueError("either table or checkpoint is needed here")
        return self


class Transfer(Table):
    """How models use what is known from elsewhere."""

    sources: tuple[TransferSource, ...] = Field(
        default=(),
        alias="from",
        description="list of tables and models of other explorations",
        json_schema_extra={"minItems": 1},
    )
    method: Literal["auto", "feature", "residual", "none"] = Field(
        default="auto",
        description="feature: their predictions become model inputs; residual: the difference to them is learned; "
        "auto: whichever predicts best, none of it included",
    )


class ModelSection(Section):
    """What learns the costs."""

    pyscript: str = Field(default="_ml_model.py", description="the model plugin")
    ml_model_type: str = Field(default="", description="the model by its type: keras_cnn, torch_cnn, sklearn")
    ml_model_script: str = Field(default="", description="the model by its file; wins over ml_model_type and pyscript")
    ml_arguments: CommandLine = Field(default="", description="options of the model as on a command line")
    batch_size: MaybeCount = Field(default=None, description="points of one training batch")
    exclude_costs: LowerNames = Field(default=(), description="costs that are not learned")
    transfer: Transfer | None = Field(default=None, description="what is known from other explorations")

    @property
    def all_arguments(self) -> str:
        """``arguments`` and ``ml_arguments`` as one command line."""
        return f"{self.arguments} {self.ml_arguments}".strip()


class StopSection(Table):
    """When an exploration is enough, whatever its explorer; the first rule that holds ends it."""

    evaluations: MaybeCount = Field(
        default=None, description="points evaluated at most; those looked up in a table of known results are free"
    )
    hours: MaybePositive = Field(default=None, description="wall time over all starts")
    start_hours: MaybePositive = Field(default=None, description="wall time of one start")
    core_hours: MaybePositive = Field(default=None, description="run times of the points, times the cores of each")
    target_error: MaybePositive = Field(
        default=None, description="percent; the model's error on unseen points for its worst cost"
    )
    patience: MaybeCount = Field(
        default=None, description="steps without an improvement of the best point, or of the hypervolume of the front"
    )
    improvement: MaybePositive = Field(
        default=None, description="percent that the steps of patience must improve it by; default: 1"
    )
    predicted_gain: MaybePositive = Field(
        default=None, description="percent; the expected improvement by the best point that was not evaluated"
    )
    objectives: LowerNames = Field(
        default=(), description="objectives that patience and predicted_gain look at; default: all"
    )


class ExploreEntry(Table):
    """One exploration."""

    name: str = Field(
        default="", pattern=EXPLORATION_PATTERN, description="name in tables; default: explore_0, explore_1, ..."
    )
    groups: Names = Field(default=(), description="groups explored; 'group::v1;v2' replaces the values of its knobs")
    valid_costs: LowerNames = Field(default=(), description="costs that are learned; default: all")
    pre_evaluated_data: str = Field(default="", description="CSV of known results, looked up instead of evaluated")
    only_preloaded: Flag = Field(default=False, description="explore the rows of pre_evaluated_data, evaluate nothing")
    stop: StopSection = Field(default=StopSection(), description="when it is enough; over exploration.stop")
    all_table: str = Field(default="deffe_output.csv", description="table of all evaluated points")
    exploration_table: str = Field(default="deffe_exploration.csv", description="accepted for older configurations")
    evaluation_table: str = Field(
        default="deffe_evaluation.csv", description="table of the points evaluated by this run"
    )
    ml_predict_table: str = Field(default="deffe_prediction.csv", description="table of predicted points")
    evaluation_predict_table: str = Field(
        default="deffe_eval_predict.csv", description="table of evaluated and predicted points"
    )
    recommended_table: str = Field(default="deffe_recommended.csv", description="table of the recommended designs")


class ExplorationSection(Section):
    """What is explored, and when it is enough."""

    pyscript: str = Field(default="_exploration.py", description="the explorer plugin")
    explore: tuple[ExploreEntry, ...] | None = Field(
        default=None, description="explorations; default: one, of all groups"
    )
    target_error: MaybePositive = Field(
        default=None, description="percent; stop evaluating when the model's error is below it"
    )
    stop: StopSection = Field(default=StopSection(), description="when it is enough: the first rule that holds")
    predict_limit: Whole = Field(default=100_000, description="predicted points written at most")
    predict_space: Flag = Field(
        default=False, description="predict every point of the space, however many, to find the best"
    )
    recommend: Count = Field(default=10, description="designs recommended for each objective")


class SamplingSection(Section):
    """Which points are evaluated, and how many a step."""

    pyscript: str = Field(default="", description="the sampler plugin; default: the one that method names")
    method: str = Field(default="", description="a built-in sampler, such as random or lhs")
    init_batch_samples: MaybeCount = Field(default=None, description="points that the first step is built on")
    fixed_samples: MaybeCount = Field(default=None, description="points of each later step")
    custom_samples: Counts = Field(default=(), description="total number of points after each step")
    step_start: MaybeWhole = Field(default=None, description="first step")
    step_end: MaybeWhole = Field(default=None, description="the step before which the run ends")
    step_increment: MaybeCount = Field(default=None, description="blocks of points taken by one step")
    max_samples: MaybeCount = Field(default=None, description="points of the run at most")
    points: str = Field(default="", description="CSV of the points to evaluate, for the sampler that reads a list")
    validate_module: str = Field(
        default="", description="Python file with Validate({name: value}), used with -validate-module"
    )
    optimize_sample_sequence_module: str = Field(default="", description="the explorer that orders the points")
    cost_objective: Objectives = Field(
        default=(), description="objectives, as 'cost::min'; the key objectives replaces it"
    )


def _sbatch_value(raw: object) -> object:
    if isinstance(raw, bool | str):
        return raw
    if isinstance(raw, int | float):
        return str(raw)
    raise ValueError("text, a number, or true for an option without a value is needed here")


def _interval(raw: object) -> object:
    return (raw, raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Interval = Annotated[tuple[Seconds, Seconds], BeforeValidator(_interval)]


def _or_sbatch(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = _SCALAR


class SlurmSection(Section):
    """How jobs are given to Slurm. Further keys are options of sbatch: ``"qos": "high"``, ``"exclusive": true``."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_or_sbatch)
    __pydantic_extra__: dict[str, Annotated[bool | str, BeforeValidator(_sbatch_value)]]

    pyscript: str = Field(default="deffe_slurm.py", description="the plugin that writes the batch script")
    nodes: Text = Field(default="1", description="--nodes")
    cpus_per_task: Text = Field(default="1", description="--cpus-per-task")
    exclude: Text = Field(default="", description="--exclude")
    nodelist: Text = Field(default="", description="--nodelist")
    mem: Text = Field(default="", description="--mem")
    mail_type: Text = Field(default="", description="--mail-type")
    mail_user: Text = Field(default="", description="--mail-user")
    account: Text = Field(default="", description="--account")
    time: Text = Field(default="", description="--time")
    constraint: Text = Field(default="", description="--constraint")
    partition: Text = Field(default="", description="--partition")
    source_scripts: Texts = Field(default=(), description="shell scripts sourced first")
    user_script_configured: Flag = Field(default=False, description="accepted for older configurations")
    trials_per_task: MaybeCount = Field(
        default=None, description="trials run by one task, one after the other; default: by their measured run times"
    )
    max_jobs: MaybeCount = Field(default=1000, description="tasks of the run in the queue at the same time")
    poll_s: Interval = Field(
        default=(1.0, 15.0), description="shortest and longest time between two looks at what has ended, in seconds"
    )
    settle_s: Seconds = Field(
        default=10.0, description="seconds that the shared disk may take to show what another machine wrote"
    )
    resubmit: Whole = Field(default=3, description="how often a trial is submitted again that the cluster has ended")

    @model_validator(mode="before")
    @classmethod
    def _with_underscores(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {option(str(key)).replace("-", "_"): value for key, value in data.items()}

    @model_validator(mode="after")
    def _fit_for_a_script(self) -> SlurmSection:
        for key, value in self.sbatch.items():
            fault = fault_of(key, value)
            if fault:
                raise ValueError(f"{key}: {fault}")
        if self.poll_s[0] > self.poll_s[1]:
            raise ValueError("poll_s: the shortest time is longer than the longest")
        return self

    @property
    def sbatch(self) -> dict[str, str | bool]:
        """The options of sbatch, by their key; those that are not given are empty."""
        named: dict[str, str | bool] = {key: getattr(self, key) for key in FLAGS}
        return {**named, **(self.__pydantic_extra__ or {})}

    @property
    def doubts(self) -> list[str]:
        """What is passed on to sbatch and is like a key that is known, each with that key."""
        found = {key: meant_by(key, type(self).model_fields) for key in self.__pydantic_extra__ or {}}
        return [
            f"{key}: no such key is known, it is given to sbatch as --{option(key)}; did you mean {meant!r}?"
            for key, meant in found.items()
            if meant
        ]

    def over(self, common: SlurmSection) -> SlurmSection:
        """These keys, where they are given, over those of the common section."""
        given = {key: getattr(self, key) for key in self.model_fields_set}
        return SlurmSection.model_validate({**{key: getattr(common, key) for key in common.model_fields_set}, **given})


def _slurm(raw: object) -> object:
    if isinstance(raw, dict):
        return raw
    words: dict[str, object] = {"true": {}, "1": {}, "yes": {}, "false": None, "0": None, "no": None, "": None}
    word = str(raw).lower()
    if word not in words:
        raise ValueError("true, false or an object of Slurm's keys is needed here")
    return words[word]


def _or_flag(schema: dict[str, Any]) -> None:
    schema["anyOf"].append({"type": ["boolean", "string"]})


UseSlurm = Annotated[SlurmSection | None, BeforeValidator(_slurm), Field(json_schema_extra=_or_flag)]


class EvaluateSection(Section):
    """How a point is evaluated."""

    pyscript: str = Field(default="_evaluate.py", description="the evaluator plugin")
    output_log: str = Field(default="evaluate.log", description="log of each evaluation, in its folder")
    sample_evaluate_script: str = Field(default="evaluate.sh", description="shell or Python script run for each point")
    sample_evaluate_arguments: CommandLine = Field(default="", description="further arguments of a Python script")
    sample_evaluate_excludes: Names = Field(default=(), description="knobs that are not given to a Python script")
    source_scripts: Texts = Field(default=(), description="shell scripts sourced first")
    workers: MaybeCount = Field(default=None, description="points evaluated at the same time; default: one a core")
    timeout_s: MaybePositive = Field(default=None, description="seconds after which an evaluation is killed")
    retries: Whole = Field(default=0, description="further attempts at a point that failed")
    retry_delay_s: NotNegative = Field(
        default=1.0, description="seconds before the first of them; each later one waits twice as long"
    )
    memory_mib: MaybeCount = Field(
        default=None, description="MiB of memory at which the processes of a point are killed; counted together"
    )
    cpus: Count = Field(default=1, description="cores that one point takes: so many fewer run at the same time")
    keep: Literal["all", "failed", "none"] = Field(default="all", description="folders of points that are kept")
    max_failed: MaybeWhole = Field(
        default=None, description="failed points beyond which the run stops; default: if the first 20 all fail"
    )
    batch_size: MaybeCount = Field(default=None, description="older name of workers")
    output_flow: MaybeCount = Field(default=None, description="accepted for older configurations")
    batch: Any = Field(default=None, description="accepted for older configurations")
    hold_evaluated_data: Flag = Field(
        default=False, description="accepted for older configurations: results are always kept"
    )
    slurm: UseSlurm = Field(default=None, description="true, or keys that win over those of the section slurm")


class ExtractSection(Section):
    """How the costs of an evaluated point are read."""

    pyscript: str = Field(default="_extract.py", description="the extractor plugin")
    output_log: str = Field(default="extract.log", description="log of each extraction, in the point's folder")
    cost_output: str = Field(default="results.out", description="file with the costs; .json, .csv or lines of text")
    sample_extract_script: str = Field(default="extract.sh", description="script that writes it, if there is one")
    sample_extract_arguments: CommandLine = Field(default="", description="further arguments of a Python script")
    sample_extract_excludes: Names = Field(default=(), description="knobs that are not given to a Python script")
    source_scripts: Texts = Field(default=(), description="shell scripts sourced first")
    batch_size: MaybeCount = Field(default=None, description="accepted for older configurations")
    output_flow: MaybeCount = Field(default=None, description="accepted for older configurations")
    hold_evaluated_data: Flag = Field(
        default=False, description="accepted for older configurations: results are always kept"
    )
    slurm: UseSlurm = Field(default=None, description="true, or keys that win over those of the section slurm")


class FrameworkSection(Section):
    """The run as a whole."""

    run_directory: str = Field(default="explore", description="folder of the run, in the current folder")
    seed: Whole = Field(default=0, description="seed of all random draws")
    executor: Literal["local", "slurm", "dask"] | None = Field(
        default=None, description="where points are evaluated; default: slurm where evaluate.slurm is true, else local"
    )
    private: Flag = Field(default=True, description="nobody else may look into the folder of the run, when it is made")
    pipeline: Flag = Field(default=False, description="start the next points as slots fall free, and learn meanwhile")


class DaskSection(Table):
    """The Dask cluster that points are evaluated on; without any of these keys, one on this machine."""

    address: str = Field(default="", description="address of a scheduler that runs, such as tcp://host:8786")
    scheduler_file: str = Field(default="", description="file in which a scheduler has noted its address")
    cluster: str = Field(
        default="", description="class of a cluster to make for the run, such as dask_jobqueue.SLURMCluster"
    )
    options: Mapping[str, Any] = Field(default_factory=dict, description="what that class is given")
    workers: MaybeCount = Field(default=None, description="worker processes asked of a made cluster")
    jobs: MaybeCount = Field(default=None, description="jobs asked of a made cluster that runs its workers in jobs")
    adapt: Mapping[str, Any] = Field(
        default_factory=dict,
        description='what adapt of a made cluster is given, such as {"maximum": 100}: it grows and shrinks',
    )
    connect_s: Seconds = Field(default=30.0, description="seconds to wait for the scheduler")

    @model_validator(mode="after")
    def _one_place(self) -> DaskSection:
        given = [name for name in ("address", "scheduler_file", "cluster") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} contradict each other: give one of them")
        sizes = [name for name in ("workers", "jobs", "adapt") if getattr(self, name)]
        if len(sizes) > 1:
            raise ValueError(f"{sizes[0]} and {sizes[1]} contradict each other: give one of them")
        lost = [name for name in ("options", "workers", "jobs", "adapt") if getattr(self, name)]
        if lost and not self.cluster:
            raise ValueError(f"{lost[0]} is for a cluster that is made: name its class in cluster")
        return self


class File(Table):
    """A deffe configuration."""

    include: Texts = Field(
        default=(), description="files merged under this one; looked up beside it, then in the current folder"
    )
    python_path: Texts = Field(default=(), description="folders in which plugins are looked for")
    knobs: tuple[Knob, ...] = Field(default=(), description="parameters of the design")
    scenarios: tuple[Knob, ...] = Field(default=(), description="parameters of the workload")
    constraints: Texts = Field(default=(), description="conditions over knobs that every point meets")
    features: Annotated[tuple[Feature, ...], BeforeValidator(_one_or_many)] = Field(
        default=(),
        description="further model inputs, computed from knobs: 'name = expression'",
        json_schema_extra=_or_text,
    )
    costs: tuple[Cost, ...] = Field(
        default=(), description="costs, in the order in which results list them", json_schema_extra={"minItems": 1}
    )
    objectives: Objectives = Field(default=(), description="{'cost': 'min' or 'max'}; default: all costs, min")
    model: ModelSection = ModelSection()
    exploration: ExplorationSection = ExplorationSection()
    sampling: SamplingSection = SamplingSection()
    evaluate: EvaluateSection = EvaluateSection()
    extract: ExtractSection = ExtractSection()
    framework: FrameworkSection = FrameworkSection()
    slurm: SlurmSection = SlurmSection.model_validate({})
    dask: DaskSection = DaskSection()
