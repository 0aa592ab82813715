"""Scale files: what is refused, in which words, and how a design expands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given

from tests.strategies import spaces
from wiring.config import ConfigError, ScaleConfig, SearchConfig, SpaceConfig, load_scale
from wiring.config import parse_search as parse

ROOT = Path(__file__).parent.parent
GOOD = {
    "scale": "mine",
    "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
    "experiments": {
        "E1": {
            "title": "t",
            "methods": ["dsnas"],
            "levels": ["single"],
            "datasets": ["digits"],
            "seeds": [0],
        }
    },
}


def changed(path: str, value: object) -> dict[str, object]:
    raw = json.loads(json.dumps(GOOD))
    *parents, last = path.split("/")
    place = raw
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sacle", 1, "sacle: unknown key"),
        ("search/space/cell", 8, r"search.space.cell: unknown key"),
        ("search/train/epochs", "ten", r"search.train.epochs: .*integer.*'ten'"),
        ("search/train/epochs", 1.5, r"search.train.epochs: .*integer.*1.5"),
        ("search/train/batch_size", 1, r"train.batch_size: .*greater than or equal to 2.*1"),
        ("search/train/batch_size", 1439, r"batch_size: 1439 does not fit the 1438 samples"),
        ("search/weights/lr", -0.1, r"weights.lr: .*greater than 0, got -0.1"),
        ("search/alpha/lr", -1e-3, r"alpha.lr: .*greater than or equal to 0, got -0.001"),
        ("search/alpha/lr", float("nan"), r"alpha.lr: .*got nan"),
        ("search/weights/lr_min", 1.0, r"lr_min must not exceed lr"),
        ("search/space/ops", ["none", "conv_7x7"], r"space.ops.1: unknown op.*'conv_7x7'"),
        ("search/space/ops", ["skip_connect", "none"], r"ops must be distinct and in the order"),
        ("search/space/delete_edges", ["0-9"], r"delete_edges: unknown edge 0-9.*0-2, 1-2"),
        ("search/space/fix_edges", {"2-9": "none"}, r"fix_edges: unknown edge 2-9"),
        ("search/space/fix_edges", {"2-3": "nope"}, r"space.fix_edges.2-3: unknown op"),
        ("search/space/output_nodes", [1], r"output_nodes must be .* among \[2, 3\]"),
        ("datasets/digits/test_fraction", 1.5, r"digits.test_fraction: .*less than 1, got 1.5"),
        ("datasets/digits/search_fraction", 0.0, r"search_fraction: .*greater than 0, got 0.0"),
        ("datasets/digits/label_noise", -0.1, r"label_noise: .*greater than or equal to 0"),
        ("datasets/digits/source", "mnist", r"datasets.digits.source: .*'digits' or 'cifar10'"),
        ("datasets/..", {"source": "cifar10"}, r"datasets.*\.\..*match pattern.*got '\.\.'"),
        ("experiments/E1/methods", ["enas"], r"methods.0: unknown method.*darts, dsnas.*'enas'"),
        ("experiments/E1/levels", ["tri"], r"levels.0: .*'single' or 'bi'"),
        ("experiments/E1/datasets", ["imagenet"], r"unknown dataset 'imagenet'.*digits"),
        ("experiments/E1/seeds", [-1], r"seeds.0: .*greater than or equal to 0"),
        ("experiments/E1/seeds", [1, 1], r"two searches share the id E1_dsnas_single_digits_s1"),
        ("experiments/E1/seeds", [], r"seeds: .*at least 1"),
    ],
)
def test_a_fault_is_one_sentence_with_file_and_field(
    tmp_path: Path, path: str, value: object, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)))
    with pytest.raises(ConfigError, match=message) as caught:
        load_scale(file)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert len(lines) == 1


def test_two_faults_are_two_sentences(tmp_path: Path) -> None:
    raw = changed("sacle", 1)
    raw["datasets"] = {"digits": {"source": "digits"}}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError) as caught:
        load_scale(file)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale: a\nscale: b\n", "the key 'scale' stands twice"),
        ("a: [1", "not valid YAML"),
        ("", "valid dictionary"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_text_that_is_no_scale(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_scale(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_scale(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["smoke", "embedded", "paper"])
def test_the_shipped_scales_are_valid(name: str) -> None:
    scale = load_scale(ROOT / "config" / f"{name}.yaml")
    assert scale.scale == name
    assert scale.searches()


def test_embedded_crosses_methods_levels_hardness_and_seeds() -> None:
    searches = load_scale(ROOT / "config/embedded.yaml").searches().values()
    design = {(s.method, s.level, s.dataset, s.seed) for s in searches}
    assert len(design) == len(searches)
    for factor, least in ((0, 2), (1, 2), (2, 2), (3, 3)):
        assert len({point[factor] for point in design}) >= least


def test_paper_is_the_published_protocol() -> None:
    scale = load_scale(ROOT / "config/paper.yaml")
    assert all(d.source == "cifar10" and d.search_fraction == 0.5 for d in scale.datasets.values())
    for s in scale.searches().values():
        assert (s.space.cells, s.space.nodes, s.space.channels) == (8, 2, 16)
        assert s.space.ops == SpaceConfig().ops
        assert s.train.batch_size == 96
        assert s.train.epochs == (150 if s.level == "single" else 50)
        assert s.train.augment.crop_padding == 4
        assert s.train.augment.flip
        w, a = s.weights, s.alpha
        assert (w.lr, w.lr_min, w.momentum, w.weight_decay, w.grad_clip) == (
            0.025,
            0.001,
            0.9,
            3e-4,
            5,
        )
        assert (a.lr, a.beta1, a.beta2, a.weight_decay, a.init_std) == (
            3e-4,
            0.5,
            0.999,
            1e-3,
            1e-3,
        )
        assert (a.grad_clip, a.cost_clamp) == ((10, 5) if s.method == "dsnas" else (None, None))


def test_overrides_and_variants_expand() -> None:
    raw = changed("experiments/E1/methods", ["dsnas", "darts"])
    raw["search"] = {"train": {"epochs": 7, "batch_size": 32}}
    raw["experiments"]["E1"]["variants"] = {
        "free": {},
        "cut": {"space": {"delete_edges": ["2-3"]}},
    }
    raw["experiments"]["E1"]["overrides"] = [{"method": "darts", "set": {"train": {"epochs": 3}}}]
    found = ScaleConfig.model_validate(raw).searches()
    assert {
        id_: (s.train.epochs, s.train.batch_size, s.space.delete_edges) for id_, s in found.items()
    } == {
        "E1_dsnas_single_digits_free_s0": (7, 32, ()),
        "E1_dsnas_single_digits_cut_s0": (7, 32, ("2-3",)),
        "E1_darts_single_digits_free_s0": (3, 32, ()),
        "E1_darts_single_digits_cut_s0": (3, 32, ("2-3",)),
    }


@given(spaces())
def test_a_search_survives_its_canonical_text(space: SpaceConfig) -> None:
    search = SearchConfig(
        experiment="E1", dataset="d", method="dsnas", level="bi", seed=1, space=space
    )
    again = parse(search.canonical)
    assert again == search
    assert again.digest == search.digest


def test_a_search_is_what_its_results_depend_on() -> None:
    def digest(**run: object) -> str:
        raw = {"experiment": "E1", "dataset": "d", "method": "dsnas", "level": "bi", "seed": 1}
        return SearchConfig.model_validate({**raw, "run": run}).digest

    assert digest() == digest(memory_mb=9000, minutes=5, gpus=1)
    assert digest() != digest(threads=2)


def test_a_search_that_is_not_json_is_refused() -> None:
    with pytest.raises(ConfigError, match="search"):
        parse("{")
