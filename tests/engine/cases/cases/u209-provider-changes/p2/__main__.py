import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

r = Provider("r", region="e", zone="2")
q = Provider("q", region="e")
a = Thing("a", 2, opts=Opts(provider=q, depends_on=[r]))
b = Thing("b", a.value, opts=Opts(provider=r))
c = Thing("c", replace_key=b.serial, opts=Opts(provider=q))
