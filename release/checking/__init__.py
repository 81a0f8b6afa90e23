"""`understudy check`: what is wrong with a use case, found before anything is registered.

`source` reads the folder, `model` finds or trains a model to serve, `serving` runs the package in the model server as
SageMaker runs a container, `answers` judges what it answers; `main` plays them in this order. `trial` is what a use
case's own tests need of it.
"""
