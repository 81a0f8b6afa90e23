import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, opts=Opts(custom_timeouts=CustomTimeouts(create="1m", read="5s")))
g = Thing.get("g", "e-1", opts=Opts(custom_timeouts=CustomTimeouts(read="5s")))
