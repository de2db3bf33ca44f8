"""View learning in plain PyTorch, the peer of view_learning.py."""


class Torch:
    """The step of `Ours` in PyTorch, eager, with networks of the same layers and sizes.

    Args:
        networks: `view_learning.Networks`.
    """

    def __init__(self, networks):
        import torch

        torch.set_num_threads(networks.threads)
        torch.manual_seed(1)
        kinds = _resnet if networks.half_resnets else _alexnet
        parts = ((1, 128), (2, 128)), ((1, 10), (2, 10))
        self._critics, self._classifiers = (
            [kinds(*part, classifies, networks.size) for part in of_kind]
            for classifies, of_kind in enumerate(parts)
        )
        self._g = _flow()
        made = lambda count: torch.randn(2, count, 3, networks.size, networks.size)
        self._unlabelled, self._labelled = made(networks.batch), made(networks.labelled)
        self._labels = torch.arange(networks.labelled) % 10
        weights = lambda modules: [p for m in modules for p in m.parameters()]
        self._critic_weights = weights(self._critics)
        self._other_weights = weights([self._g, *self._classifiers])
        self._critic_optimizer = torch.optim.Adam(self._critic_weights, 2e-4, (0.5, 0.999))
        self._optimizer = torch.optim.Adam(self._other_weights, 6e-4, (0.5, 0.999))

    def step(self):
        """One update of the critics, one of g and the classifiers; returns the latter's loss."""
        from torch.nn import functional

        views = self._views(self._unlabelled)  # of both updates: g moves in the second
        fixed = [view.detach() for view in views]
        _update(self._critic_optimizer, -self._i_nce(*fixed), self._critic_weights)
        loss = self._i_nce(*views)
        views = self._views(self._labelled)
        for classifier, view in zip(self._classifiers, views, strict=True):
            loss = loss + functional.cross_entropy(classifier(view), self._labels)
        _update(self._optimizer, loss, self._other_weights)
        return loss.item()

    def _views(self, images):
        return self._g(images[0])[:, :1], self._g(images[1])[:, 1:]

    def _i_nce(self, v1, v2):
        import math

        import torch
        from torch.nn import functional

        z1, z2 = (
            functional.normalize(critic(view))
            for critic, view in zip(self._critics, (v1, v2), strict=True)
        )
        scores, own = z1 @ z2.T / 0.07, torch.arange(len(z1))
        losses = [functional.cross_entropy(s, own) for s in (scores, scores.T)]
        return math.log(len(z1)) - sum(losses) / 2


def _update(optimizer, loss, weights):
    """Of these weights alone: no gradient is computed for others."""
    optimizer.zero_grad()
    loss.backward(inputs=weights)
    optimizer.step()


def _flow():
    """Four additive blocks of 1x1 convolutions, each of which moves one channel."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, index):
            super().__init__()
            self.lone = index % 3
            self.others = [c for c in range(3) if c != self.lone]
            first = [nn.ReLU()] if index else []
            layers = *first, nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1)
            self.f = nn.Sequential(*layers)

        def forward(self, x):
            planes = list(x.split(1, dim=1))
            planes[self.lone] = planes[self.lone] + self.f(x[:, self.others])
            return torch.cat(planes, dim=1)

    return nn.Sequential(*(Block(index) for index in range(4)))


def _alexnet(channels, outputs, classifies, size):
    """The half of a tiny AlexNet of an eighth of the width, with a linear head."""
    from torch import nn

    layers = []
    for index, filters in enumerate((6, 12, 24, 24, 12)):
        convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        channels = filters
        if index in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
            size = (size - 3) // 2 + 1
    layers.append(nn.Flatten())
    inputs, units = channels * size**2, 256 if size > 3 else 64
    for _ in range(2):
        layers += [nn.Dropout(0.5)] if classifies else []
        layers += [nn.Linear(inputs, units), nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(units, outputs))


def _resnet(channels, outputs, classifies, size):
    """ResNet-50, or ResNet-18 to classify, of half the width, a stem of 64 filters, no max-pool."""
    from torch import nn
    from torchvision.models import resnet

    class HalfWidth(resnet.ResNet):
        def _make_layer(self, block, planes, *arguments, **options):
            return super()._make_layer(block, planes // 2, *arguments, **options)

    if classifies:
        network = HalfWidth(resnet.BasicBlock, [2, 2, 2, 2], zero_init_residual=True)
    else:
        network = HalfWidth(resnet.Bottleneck, [3, 4, 6, 3], zero_init_residual=True)
    network.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Linear(network.inplanes, outputs)
    return network.train()
