import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

import pulumi.dynamic as d
class P(d.ResourceProvider):
    def create(self, props): return d.CreateResult("1", props)
class X(d.Resource):
    def __init__(self, n, props, opts=None): super().__init__(P(), n, props, opts)
a = X("a", {"m": {"n": 2, "k": None}, "l": [1, 2], "w": None})
b = X("b", {"x": 1, "y": {"q": 2}}, Opts(replace_on_changes=["y"]))
r = X("r", {"v": 2}, Opts(delete_before_replace=True, replace_on_changes=["v"]))
