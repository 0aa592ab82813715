"""The picture of the rules shows the rules that there are."""

import html
import re

from tools import graph


def test_the_picture_is_of_this_workflow() -> None:
    fresh = graph.text(graph.reduced(graph.edges(graph.asked())))
    assert graph.DOT.read_text("utf-8") == fresh, "run `make graph`"


def test_the_drawing_is_of_the_graph() -> None:
    edges = re.findall(r'"(\w+)" -> "(\w+)"', graph.DOT.read_text("utf-8"))
    titles = re.findall(r"<title>(.*?)</title>", graph.SVG.read_text("utf-8"))
    drawn = {tuple(t.split("->")) for t in map(html.unescape, titles) if "->" in t}
    assert drawn == set(edges)


def test_an_edge_is_left_out_where_there_is_another_way() -> None:
    direct = {("search", "dynamics"), ("dynamics", "all"), ("prepare", "search")}
    assert graph.reduced(direct | {("search", "all"), ("prepare", "all")}) == direct


def test_edges_are_read_by_name() -> None:
    dot = 'digraph {\n\t0[label = "all", color = "0"];\n\t1[label = "page"];\n\t1 -> 0\n}'
    assert graph.edges(dot) == {("page", "all")}


def test_the_rules_of_experiments_are_one() -> None:
    assert graph.called("_search_E1") == graph.called("_search12_figures_E-1.a") == "search"
    assert graph.called("_figures_E1") == "figures"
    assert graph.called("_tables") == "tables"
