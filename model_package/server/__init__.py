"""The model server: SageMaker's container contract for one model.

`python -m model_package.server [--host ADDRESS]` loads the use case's script and answers `GET /ping` and
`POST /invocations` until SIGTERM. A custom image's Dockerfile starts it, and so does the sandbox.

What the script (AWS's script mode) may define:

- `model_fn(model_dir) -> model` (required)
- `input_fn(body, content_type) -> data`, `predict_fn(data, model) -> prediction`,
  `output_fn(prediction, accept) -> body | (body, content_type)`; defaults exist for text/csv and application/json
- or, instead of those three, `transform_fn(model, body, content_type, accept) -> body | (body, content_type)`

`body` is str for text and JSON types, bytes for others. A ValueError out of `input_fn` is the client's fault (400); an
exception with an integer `status_code` of 400-599 answers with that code; any other exception is a 500.

Environment: SM_MODEL_DIR (/opt/ml/model), SAGEMAKER_PROGRAM (inference.py), SAGEMAKER_SUBMIT_DIRECTORY
($SM_MODEL_DIR/code), SAGEMAKER_BIND_TO_PORT (8080), SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT (application/json).
"""
