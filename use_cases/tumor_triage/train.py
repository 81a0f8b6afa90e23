"""Trains the tumour model (SageMaker script mode: hyperparameters as arguments, channels as folders of CSV files).

CSV without header, the label first. Writes `model.ubj` to SM_MODEL_DIR and prints metrics as `channel:metric=value`.
The same data, hyperparameters and seed make the same file.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import xgboost


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_depth", type=int, default=3)
    parser.add_argument("--eta", type=float, default=0.3)
    parser.add_argument("--num_round", type=int, default=20)
    parser.add_argument("--subsample", type=float, default=1.0)
    parser.add_argument("--colsample_bytree", type=float, default=1.0)
    parser.add_argument("--min_child_weight", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def load(channel):
    """(features, labels) of a channel's CSV files, None if the channel was not given."""
    folder = os.environ.get(f"SM_CHANNEL_{channel.upper()}")
    if folder is None:
        return None
    files = sorted(Path(folder).glob("*.csv"))
    if not files:
        raise SystemExit(f"{folder}: channel {channel} holds no .csv file")
    table = np.concatenate([np.loadtxt(file, delimiter=",", ndmin=2) for file in files])
    return table[:, 1:].astype(np.float32), table[:, 0]


def report(channel, booster, data):
    features, labels = data
    probabilities = np.clip(booster.inplace_predict(features), 1e-7, 1 - 1e-7)
    accuracy = np.mean((probabilities >= 0.5) == (labels == 1))
    logloss = -np.mean(np.where(labels == 1, np.log(probabilities), np.log(1 - probabilities)))
    print(f"{channel}:accuracy={accuracy:.6f}")
    print(f"{channel}:logloss={logloss:.6f}")


def main():
    args = arguments()
    train = load("train")
    if train is None:
        raise SystemExit("SM_CHANNEL_TRAIN is not set: the job needs a train channel")
    parameters = {
        "objective": "binary:logistic",
        "max_depth": args.max_depth,
        "eta": args.eta,
        "subsample": args.subsample,
        "colsample_bytree": args.colsample_bytree,
        "min_child_weight": args.min_child_weight,
        "seed": args.seed,
        "tree_method": "hist",
        "nthread": 1,  # more threads add floating-point sums in another order
    }
    booster = xgboost.train(parameters, xgboost.DMatrix(train[0], label=train[1]), num_boost_round=args.num_round)
    report("train", booster, train)
    for channel in ("validation", "holdout"):
        if (data := load(channel)) is not None:
            report(channel, booster, data)
    booster.save_model(Path(os.environ["SM_MODEL_DIR"]) / "model.ubj")


if __name__ == "__main__":
    main()
