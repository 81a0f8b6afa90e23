import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

s = Thing("s", 1, replace_key="n")
r = Provider("r", region=s.serial.apply(lambda v: f"r{v}"))
a = Thing("a", 1, opts=Opts(provider=r))
b = Thing("b", a.value, opts=Opts(provider=r))
g = Thing.get("g", "e-1", opts=Opts(provider=r))
export("a", a.value); export("e", a.echo); export("g", g.value)
