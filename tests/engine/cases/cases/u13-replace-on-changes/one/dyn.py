from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


class Sized(ResourceProvider):
    def create(self, props):
        return CreateResult(f"dyn-{props['size']}", {"size": props["size"]})

    def diff(self, _id, olds, news):
        return DiffResult(changes=olds["size"] != news["size"])

    def update(self, _id, olds, news):
        return UpdateResult({"size": news["size"]})


class Dyn(Resource):
    def __init__(self, name, size, opts=None):
        super().__init__(Sized(), name, {"size": size}, opts)
