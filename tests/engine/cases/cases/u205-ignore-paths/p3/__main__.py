import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, map={"z": 1}, list=[1, 2], opts=Opts(ignore_changes=["map.*", "list[*]"]))
b = Thing("b", 1, extra={"q": 1}, opts=Opts(ignore_changes=["extra.*", "map[\"x\"]"]))
c = Thing("c", opts=Opts(ignore_changes=["*"]))
