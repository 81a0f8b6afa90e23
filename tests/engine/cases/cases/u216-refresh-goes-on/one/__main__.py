import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "a")
b = Thing("b", "b")
c = Thing("c", "c")
