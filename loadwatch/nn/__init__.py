"""A small neural network library, written from scratch on numpy.

Order of reading: initialisers, activations, layers, losses, network, objective, optimisers, schedules,
batches, training, revival; then the proofs, gradcheck and diagnosis; and explain, storage. `NeuralNetwork` is
a thin face over these parts. Inside, X (B, I) is a batch of B samples of I numbers, W (I, O) and b (O,) a
layer, Y (B, O) its output.
"""

from loadwatch.nn.activations import activation, sigmoid
from loadwatch.nn.arrays import Array
from loadwatch.nn.data import Data
from loadwatch.nn.diagnosis import Diagnosis, LayerDiagnosis, diagnose
from loadwatch.nn.errors import DivergenceError, FileError, InputError, NetworkError
from loadwatch.nn.explain import Attribution
from loadwatch.nn.gradcheck import directional_gradient_error, relative_gradient_error
from loadwatch.nn.initialisers import glorot_uniform, he_normal, normal
from loadwatch.nn.layers import Dense, Dropout
from loadwatch.nn.losses import BinaryCrossEntropy, Huber, MeanSquared
from loadwatch.nn.network import Network, Pass
from loadwatch.nn.neural_network import NeuralNetwork
from loadwatch.nn.objective import loss_and_gradient, mean_loss
from loadwatch.nn.optimisers import SGD, Adam, AdamW, clip_by_norm
from loadwatch.nn.revival import Reviver
from loadwatch.nn.schedules import constant, cosine, exponential, steps, warm_up
from loadwatch.nn.storage import pack, unpack
from loadwatch.nn.training import Epoch, Plan, TrainingReport, train
from loadwatch.nn.weighting import balanced, weights_of

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Array",
    "Attribution",
    "BinaryCrossEntropy",
    "Data",
    "Dense",
    "Diagnosis",
    "DivergenceError",
    "Dropout",
    "Epoch",
    "FileError",
    "Huber",
    "InputError",
    "LayerDiagnosis",
    "MeanSquared",
    "Network",
    "NetworkError",
    "NeuralNetwork",
    "Pass",
    "Plan",
    "Reviver",
    "TrainingReport",
    "activation",
    "balanced",
    "clip_by_norm",
    "constant",
    "cosine",
    "diagnose",
    "directional_gradient_error",
    "exponential",
    "glorot_uniform",
    "he_normal",
    "loss_and_gradient",
    "mean_loss",
    "normal",
    "pack",
    "relative_gradient_error",
    "sigmoid",
    "steps",
    "train",
    "unpack",
    "warm_up",
    "weights_of",
]
