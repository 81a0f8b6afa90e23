from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, Resource, ResourceProvider, UpdateResult


class Fussy(ResourceProvider):
    def check(self, _olds, news):
        failures = [CheckFailure("size", "must not be negative")] if news["size"] < 0 else []
        return CheckResult(news, failures)

    def create(self, props):
        if props["size"] == 13:
            raise ValueError("thirteen cannot be created")
        return CreateResult(f"id-{int(props['size'])}", props)

    def update(self, _id, _olds, news):
        if news["size"] == 13:
            raise RuntimeError("thirteen cannot be reached")
        return UpdateResult(news)

    def delete(self, _id, props):
        if props["size"] == 7:
            raise OSError("seven stays")


class Dyn(Resource):
    def __init__(self, name, size, opts=None):
        super().__init__(Fussy(), name, {"size": size}, opts)
