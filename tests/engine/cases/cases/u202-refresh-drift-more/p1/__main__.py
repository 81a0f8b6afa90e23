import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, map={"x": 1, "y": 2}, list=[1, 2, 3])
b = PlainThing("b", 1, map={"x": 1})
