import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

c = Component("d", opts=Opts(aliases=[Alias(name="c")]))
k = Thing("k", 1, opts=Opts(parent=c))
a = Thing("n", 2, opts=Opts(aliases=[Alias(name="a")], depends_on=[k]))
b = Thing("b", a.value)
