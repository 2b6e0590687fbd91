"""ResNet-8 on 32 x 32 images with biases in place of norms, and a step of plain gradient descent."""
import torch
import torch.nn.functional as functional
from serve import serve, settings

BATCH = settings["batch"]


def convolution(size, inward, outward):
    weight = (torch.randn(outward, inward, size, size) * (2 / (size * size * inward)) ** 0.5).requires_grad_()
    return weight, torch.zeros(outward, requires_grad=True)


def convolve(x, parameters, stride):
    weight, bias = parameters
    return functional.conv2d(x, weight, bias, stride=stride, padding=weight.shape[2] // 2)


first = convolution(3, 3, 16)
blocks = [
    (stride, convolution(3, i, o), convolution(3, o, o), None if i == o else convolution(1, i, o))
    for i, o, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2))
]
classifier = (torch.randn(64, 10) * 0.1).requires_grad_()
everything = [*first, classifier] + [p for block in blocks for each in block[1:] if each for p in each]
images, labels = torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % 10


def loss_of():
    x = functional.relu(convolve(images, first, 1))
    for stride, a, b, shortcut in blocks:
        beside = convolve(x, shortcut, stride) if shortcut else x
        x = functional.relu(convolve(functional.relu(convolve(x, a, stride)), b, 1) + beside)
    return functional.cross_entropy(x.mean((2, 3)) @ classifier, labels)


def run():
    loss = loss_of()
    gradients = torch.autograd.grad(loss, everything)
    with torch.no_grad():
        for parameter, gradient in zip(everything, gradients):
            parameter -= 0.05 * gradient
    loss.item()


serve(run)
