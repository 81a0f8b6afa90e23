import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

r = Provider("r", region="e", zone="1")
q = Provider("q", region="e")
a = Thing("a", 1, opts=Opts(provider=r))
b = Thing("b", a.value, opts=Opts(provider=r))
c = Thing("c", replace_key=b.serial, opts=Opts(provider=q))
