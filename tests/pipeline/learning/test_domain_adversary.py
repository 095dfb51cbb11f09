"""The domain adversary by hand, and on two domains that a line tells apart."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pipeline.learning.domain_adversary import Adversary, DomainClassifier, reversed_gradient, strength
from pipeline.measuring.domains import told_apart


def test_what_passes_is_the_same_and_its_gradient_goes_back_turned_round() -> None:
    """Of (x + 3)^2 at x = 2 the gradient is 10; reversed with lambda 0.5 it is -5."""
    x = torch.tensor([2.0], requires_grad=True)
    passed = reversed_gradient(x, 0.5)
    assert passed.item() == 2.0
    ((passed + 3) ** 2).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(-5.0)


def test_lambda_rises_from_nothing_to_one() -> None:
    """2 / (1 + exp(-10 p)) - 1 is tanh(5 p)."""
    assert strength(0) == 0
    assert strength(0.1) == pytest.approx(math.tanh(0.5))
    assert strength(1) == pytest.approx(0.9999, abs=1e-4)


def classifier_of_two() -> DomainClassifier:
    """Of one feature x its logit is x, while that is above 0."""
    made = DomainClassifier(1)
    for weight in made.parameters():
        nn.init.zeros_(weight)
    with torch.no_grad():
        made.layers[0].weight[0, 0] = made.layers[2].weight[0, 0] = 1.0
    return made


def test_the_loss_by_hand_and_what_it_asks_of_whom() -> None:
    """Source at logit ln 3 (the target's share 3/4), target at 0 (1/2): (ln 4 + ln 2) / 2 nats.

    The features get minus lambda times the logits' gradients 3/4 / 2 and -1/2 / 2; the classifier's bias their sum.
    """
    made, source = classifier_of_two(), torch.tensor([[math.log(3)]], requires_grad=True)
    target = torch.tensor([[1e-6]], requires_grad=True)
    nats = made.loss(source, target, 0.2)
    assert nats.item() == pytest.approx((math.log(4) + math.log(2)) / 2, abs=1e-5)
    nats.backward()
    assert source.grad is not None
    assert target.grad is not None
    assert source.grad.item() == pytest.approx(-0.2 * 3 / 8)
    assert target.grad.item() == pytest.approx(0.2 * 1 / 4, abs=1e-5)
    assert made.layers[2].bias.grad.item() == pytest.approx(3 / 8 - 1 / 4, abs=1e-5)


def test_a_batch_joins_the_targets_texts_and_the_term_reads_them() -> None:
    made = classifier_of_two()
    adversary = Adversary(made, [[place] for place in range(5)], 0.5, 2, 0)  # type: ignore[list-item]
    batches = [adversary.batch(place, 10, lambda rows: {"ids": rows}) for place in range(5)]
    assert sorted(row for batch in batches for [row] in batch["target"]["ids"]) == sorted([*range(5)] * 2)
    assert [batch["reversal"] for batch in batches[:2]] == [0, 0.5 * strength(0.1)]
    term = adversary.term(lambda ids: SimpleNamespace(pooled=torch.tensor([[1e-6]] * len(ids))))
    found = term(SimpleNamespace(pooled=torch.tensor([[math.log(3)]])), {"extra": batches[0]})
    assert found.item() == pytest.approx((math.log(4) + math.log(2)) / 2, abs=1e-5)
    told = made.figures()
    assert told["domain_loss"] == pytest.approx(0.95 * math.log(2) + 0.05 * found.item())
    assert told["lowest_domain_loss"] == pytest.approx(math.log(2))
    assert told["variance_left"] == 1


def trained(weight: float) -> Any:
    """Two features of four numbers, of which the first tells the class and the second the domain; both domains'."""
    torch.manual_seed(0)
    labels, noise = torch.arange(400) % 2, torch.randn(2, 400, 4)
    told = [torch.stack([4.0 * labels - 2, torch.full((400,), 4.0 * own - 2)], dim=1) for own in (0, 1)]
    domains = [noise[own] + nn.functional.pad(told[own], (0, 2)) for own in (0, 1)]
    encoder, head, adversary = nn.Linear(4, 2), nn.Linear(2, 2), DomainClassifier(2)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters(), *adversary.parameters()], lr=1e-2)
    for step in range(150):
        source, target = map(encoder, domains)
        loss = cross_entropy(head(source), labels) + adversary.loss(source, target, weight * strength(step / 150))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        source, target = (encoder(domain) for domain in domains)
        return told_apart(source.numpy(), target.numpy()).value, (
            head(target).argmax(1) == labels
        ).float().mean().item()


def test_domains_that_a_line_tells_apart_are_no_longer_told_and_the_class_is() -> None:
    without, with_it = trained(0.0), trained(1.0)
    assert without[0] > 0.8
    assert with_it[0] < without[0] - 0.1
    assert with_it[1] > 0.9
