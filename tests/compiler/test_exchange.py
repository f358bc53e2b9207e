"""A network as a graph of networkx."""

import networkx as nx

from archc.api import compile


def test_the_graph_of_a_residual_network() -> None:
    network = compile("resnet18")
    graph = network.to_networkx()
    assert nx.is_directed_acyclic_graph(graph)
    assert sum(data["params"] for _, data in graph.nodes(data=True)) == network.params
    assert nx.has_path(graph, "image", "output")
    shapes = {data["shape"] for _, target, data in graph.edges(data=True) if target == "output"}
    assert shapes == {(1000,)}
    # Convolutions and linear layers on the longest way: the 18 of the name.
    weighted = nx.DiGraph((a, b, {"weight": int(graph.nodes[b]["macs"] > 0)}) for a, b in graph.edges())
    assert nx.dag_longest_path_length(weighted) == 18


def test_a_value_taken_twice_makes_two_edges() -> None:
    from archc.files import open_text
    from archc.network import given, network

    graph = network(open_text("arch A { input x: [4]\nadd { x; x } }"), given({})).to_networkx()
    assert graph.number_of_edges("x", 0) == 2
