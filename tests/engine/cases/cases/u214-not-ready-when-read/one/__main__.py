import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", 1)
b = Thing("b", a.value)
