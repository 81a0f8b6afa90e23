import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

b = Thing("b", "b")
