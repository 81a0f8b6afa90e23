import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("n", 1, opts=Opts(aliases=[Alias(name="a")]))
b = Thing("b", a.value)
